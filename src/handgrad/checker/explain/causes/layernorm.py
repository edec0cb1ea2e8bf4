"""A term of layernorm's closed form is wrong.

What: with dxhat = gain * dout and m(t) for t.mean(-1, keepdim=True),
dx = rstd * (dxhat - m(dxhat) - xhat * m(dxhat * xhat)); one of the three terms has a wrong sign or
factor, or the direct term is missing.

Why: mean and variance are those of one row, so the sums run along the row (C features) and not over
the batch, and there is no Bessel's correction.

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
    """Fit the user's gradient as a sum of the three terms."""
    return wrong_terms(suspect, "layernorm") if along(suspect) == -1 else None
