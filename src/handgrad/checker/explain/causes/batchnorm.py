"""A term of batchnorm's closed form is wrong.

What: dx = gain * rstd / n * (n * dout - dout.sum(0) - n / (n - 1) * xhat * (dout * xhat).sum(0));
one of the three terms has a wrong sign or factor, or the direct term is missing.

Why: the direct term and the terms through the mean and the variance have different factors. The
first has n because 1 / n is factored out of all three. The third has n / (n - 1) because the
variance divides by n - 1; if it divides by n, this factor is 1.

Wrong:

    dhprebn = bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0)
        - bnraw * (dhpreact * bnraw).sum(0))

Right:

    dhprebn = bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0)
        - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0))
"""

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.norms import along, wrong_terms
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG121"
NAME = "batchnorm's closed form"
ORDER = 290


def find(suspect: Suspect) -> Finding | None:
    """Fit the user's gradient as a sum of the three terms."""
    return wrong_terms(suspect, "batchnorm") if along(suspect) == 0 else None
