"""Bessel's correction in the forward pass and not in the backward pass, or the reverse.

What: a variance that divides by n - 1 has a backward that divides by n, or the reverse.

Why: the backward divides by the same number as the forward. Only the mean divides by n.

Wrong:

    # bnvar = 1 / (n - 1) * bndiff2.sum(0, keepdim=True)
    dbndiff2 = 1 / n * torch.ones_like(bndiff2) * dbnvar

Right:

    dbndiff2 = 1 / (n - 1) * torch.ones_like(bndiff2) * dbnvar
"""

from handgrad.checker.explain.search.grammar import numbers

CODE = "HG118"
NAME = "Bessel's correction"
ORDER = 120
EDITS = (
    (
        numbers.bessel,
        "This line uses {was} where the forward pass uses {now}: Bessel's correction belongs in "
        "both or in neither.",
    ),
)
