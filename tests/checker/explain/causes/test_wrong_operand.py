"""HG107: what it says of wrong operand, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import wrong_operand

CASES = [
    (
        "x 5 4, y 5 4, b 4, g 4",
        ("u = x * y\nz = u * g + b"),
        "du = dz * b",
        "b is used where g belongs.",
        "du = dz * g",
    ),
    (
        "x 6 8, g 8",
        (
            "mu = x.mean(-1, keepdim=True)\n"
            "d = x - mu\n"
            "v = (d**2).mean(-1, keepdim=True)\n"
            "rstd = (v + 1e-5)**-0.5\n"
            "xhat = d * rstd\n"
            "y = xhat * g"
        ),
        ("dxhat = dy * g\ndrstd = (dxhat * xhat).sum(-1, keepdim=True)"),
        "xhat is used where d belongs.",
        "drstd = (dxhat * d).sum(-1, keepdim=True)",
    ),
    (
        "x 5 4, y 5 4",
        ("cache = {}\ncache['x'] = x\ncache['y'] = y\nz = x * y"),
        "dx = dz * cache['x']",
        "'x' is used where 'y' belongs.",
        "dx = dz * cache['y']",
    ),
    (
        "x 5 4",
        "h = torch.tanh(x)",
        "dx = (1 - x**2) * dh",
        "x is used where h belongs.",
        "dx = (1 - h**2) * dh",
    ),
    (
        "x 5 4, y 5 4, b 4, g 4",
        ("u = x * y\nz = u * g + b"),
        "dg = dz.sum(0)",
        "This is the gradient of b, stored under the name dg.",
        "dg = (u * dz).sum(0)",
    ),
]
OTHERS = [
    ("x 5 4, y 5 4, b 4, g 4", ("u = x * y\nz = u * g + b"), "du = z * g", "HG106"),
    ("x 4 3, b 1 3", "y = x * b", "dx = dy", "HG109"),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_puts_the_neighbour_there(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (wrong_operand.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
