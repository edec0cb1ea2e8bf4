"""A forward value instead of its gradient, or a gradient instead of its value.

What: the d is missing (bnvar for dbnvar), or is there where it does not belong.

Why: the chain rule multiplies a local derivative, computed from forward values, by the upstream
gradient. A value and its gradient have the same shape, and their names differ by one letter.

Wrong:

    # bnvar = 1 / (n - 1) * bndiff2.sum(0, keepdim=True)
    dbndiff2 = 1 / (n - 1) * torch.ones_like(bndiff2) * bnvar

Right:

    dbndiff2 = 1 / (n - 1) * torch.ones_like(bndiff2) * dbnvar
"""

from handgrad.checker.explain.search.grammar import names

CODE = "HG106"
NAME = "forward value for gradient"
ORDER = 160
EDITS = (
    (names.gradient_for_value, "{was} is the forward value; its gradient {now} belongs here."),
    (names.value_for_gradient, "{was} is a gradient; the forward value {now} belongs here."),
)
