"""HG106: what it says of forward value, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import forward_value

CASES = [
    (
        "x 5 4",
        "h = torch.tanh(x)",
        "dx = (1 - h**2) * h",
        "h is the forward value; its gradient dh belongs here.",
        "dx = (1 - h**2) * dh",
    ),
    (
        "x 5 4, y 5 4, b 4, g 4",
        ("u = x * y\nz = u * g + b"),
        "du = z * g",
        "z is the forward value; its gradient dz belongs here.",
        "du = dz * g",
    ),
    (
        "x 4 4, W 4 4",
        "y = x @ W",
        "dW = x.T @ y",
        "y is the forward value; its gradient dy belongs here.",
        "dW = x.T @ dy",
    ),
    (
        "x 3 4, y 3 4",
        "z = x * y",
        ("dx = dz * y\ndy = dz * dx"),
        "dx is a gradient; the forward value x belongs here.",
        "dy = dz * x",
    ),
]
OTHERS = [
    ("x 5 4, y 5 4, b 4, g 4", ("u = x * y\nz = u * g + b"), "du = dz * b", "HG107"),
    ("x 5 4, W 4 3", ("y = x @ W\nz = y.exp()"), "dy = z", "HG108"),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_puts_the_gradient_there(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (forward_value.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
