"""Summed before multiplying.

What: a.sum(0) * b.sum(0), or a * b.sum(0), instead of (a * b).sum(0).

Why: the gradient of a broadcast factor is the sum of the products with all the elements that it
multiplied; the sum of products is not the product of sums.

Wrong:

    # hpreact = bngain * bnraw + bnbias
    dbngain = bnraw.sum(0, keepdim=True) * dhpreact.sum(0, keepdim=True)

Right:

    dbngain = (bnraw * dhpreact).sum(0, keepdim=True)
"""

from handgrad.checker.explain.search.grammar import reductions

CODE = "HG112"
NAME = "sum before multiply"
ORDER = 270
EDITS = (
    (
        reductions.summed_last,
        "This line sums before it multiplies: the sum of the products is needed, not the product "
        "of the sums.",
    ),
)
