"""HG140: what it says of a term too many, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import extra_term

SAID = "{} here: no such term comes from {}."
CASES = [
    ("x 5 4, g 4, b 4", "y = x * g + b", "dx = dy * g + b",
     SAID.format("b must not be added", "y"), "dx = dy * g"),
    ("x 5 4, W 4 3", "y = x @ W", "dW = 0.01 * W + x.T @ dy",
     SAID.format("0.01 * W must not be added", "y"), "dW = x.T @ dy"),
    ("x 5 4, W 4 3", "y = x @ W", "dW = x.T @ dy - 0.1 * W",
     SAID.format("0.1 * W must not be subtracted", "y"), "dW = x.T @ dy"),
    ("x 5 4, W 4 3", "y = x @ W", "dW = x.T @ dy\ndW += 0.5 * W",
     "dW is complete on line 10; this line adds to it again. Remove it.", "# dW += 0.5 * W"),
]  # fmt: skip
OTHERS = [
    ("x 5 4, g 4, b 4", "y = x * g + b", "dx = dy * g + 3 * dy * g", "HG103"),
    ("x 5 4", "h = torch.tanh(x)", "dx = (1 + h**2) * dh", "HG102"),
    ("x 5 4, W 4 3", "y = x @ W", "dW = x.T @ dy + x.T @ dy", "HG136"),
    ("x 5 4, v 1 4", "s = (v.abs() + 1)**-0.5\ny = x * s", "dx = dy * (s + 1e-5)", "HG138"),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_leaves_the_term_out(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (extra_term.CODE, message, fix)
    assert row.checked in ("exact", "rounding")


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
