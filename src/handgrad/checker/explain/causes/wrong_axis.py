"""Summed, or searched, along the wrong dimension.

What: sum(0) instead of sum(1), or the reverse; the same for max, softmax and mean.

Why: a sum undoes a broadcast along the dimension that was broadcast. The gradient of a row (1, H)
that was added to every row of a batch is the sum over the batch, dimension 0.

Wrong:

    # logits = h @ W2 + b2
    db2 = dlogits.sum(1)

Right:

    db2 = dlogits.sum(0)
"""

from handgrad.checker.explain.search.grammar import reductions

CODE = "HG113"
NAME = "wrong axis"
ORDER = 260
EDITS = ((reductions.along, "{was}; {now} is correct."),)
