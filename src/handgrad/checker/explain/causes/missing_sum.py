"""A sum over a broadcast dimension is missing.

What: what came back to all the copies of a broadcast tensor is not added up.

Why: forward, one row served every row of the batch; backward, it collects from all of them.

Wrong:

    # hpreact = bngain * bnraw + bnbias
    dbngain = bnraw * dhpreact

Right:

    dbngain = (bnraw * dhpreact).sum(0, keepdim=True)
"""

from handgrad.checker.explain.search.grammar import reductions

CODE = "HG110"
NAME = "missing sum"
ORDER = 340
EDITS = (
    (
        reductions.summed,
        "A sum over {now} is missing: the forward pass broadcasts {node}, so the gradients of all "
        "its copies must be added.",
    ),
)
