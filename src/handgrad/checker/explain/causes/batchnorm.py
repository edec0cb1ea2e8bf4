"""A term of batchnorm's closed form is wrong.

What: dx = gain * rstd / n * (n * dout - dout.sum(0) - n / (n - 1) * xhat * (dout * xhat).sum(0));
one of the three terms has another sign or another factor, or the direct one is missing.

Why: the direct term, the mean's and the variance's each bring a factor of their own: n in the
first since 1 / n stands before all of them, n / (n - 1) in the third since the variance divides by
n - 1 (where it divides by n, that factor is 1).

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
    """Fit what was made as a sum of the three terms."""
    return wrong_terms(suspect, "batchnorm") if along(suspect) == 0 else None
