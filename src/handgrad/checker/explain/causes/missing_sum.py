"""A sum over a broadcast dimension is missing.

What: the gradients of the copies of a broadcast tensor are not added.

Why: in the forward pass one row served every row of the batch; in the backward pass its gradient is
the sum over all of them.

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
