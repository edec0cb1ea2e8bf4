"""A small constant is missing, or differs from the forward pass.

What: the eps that keeps a root or a division away from 0 is missing, has another value, or appears
where the forward pass has none; or a number is mistyped (1.001, or 0.01 for the slope 0.1).

Why: the derivative of (x + eps)**-0.5 is -0.5 * (x + eps)**-1.5. Without eps it is slightly wrong
everywhere, and very wrong where x is small.

Wrong:

    # bnvar_inv = (bnvar + 1e-5)**-0.5
    dbnvar = -0.5 * bnvar**-1.5 * dbnvar_inv

Right:

    dbnvar = -0.5 * (bnvar + 1e-5)**-1.5 * dbnvar_inv
"""

from handgrad.checker.explain.search.grammar import numbers

CODE = "HG138"
NAME = "small number"
ORDER = 360
EDITS = (
    (numbers.with_eps, "The forward pass adds {now} to {was}; this line does not."),
    (numbers.other_eps, "{was}; this line adds {now}."),
    (numbers.other_digits, "{was} is used where {now}."),
)
