"""A term of layernorm's closed form is wrong.

What: with dxhat = gain * dout and m(t) for t.mean(-1, keepdim=True),
dx = rstd * (dxhat - m(dxhat) - xhat * m(dxhat * xhat)); one of the three terms has another sign or
another factor, or the direct one is missing.

Why: mean and variance are those of one row, so the sums go along the row (C features), not over
the batch, and nothing of Bessel's correction is in them.

Wrong:

    dx = rstd / C * (dxhat - dxhat.sum(-1, keepdim=True)
        - xhat * (dxhat * xhat).sum(-1, keepdim=True))

Right:

    dx = rstd / C * (C * dxhat - dxhat.sum(-1, keepdim=True)
        - xhat * (dxhat * xhat).sum(-1, keepdim=True))
"""

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.norms import along, wrong_terms
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG122"
NAME = "layernorm's closed form"
ORDER = 300


def find(suspect: Suspect) -> Finding | None:
    """Fit what was made as a sum of the three terms."""
    return wrong_terms(suspect, "layernorm") if along(suspect) == -1 else None
