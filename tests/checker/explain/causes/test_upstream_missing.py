"""HG108: what it says of upstream missing, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import upstream_missing

CASES = [
    (
        "x 5 4",
        "h = torch.tanh(x)",
        "dx = 1 - h**2",
        "This is only the local derivative: dh, the gradient of h, is missing.",
        "dx = (1 - h**2) * dh",
    ),
    (
        "x 5 4, W 4 3",
        ("y = x @ W\nz = y.exp()"),
        "dy = torch.exp(y)",
        "This is only the local derivative: dz, the gradient of z, is missing.",
        "dy = torch.exp(y) * dz",
    ),
    (
        "x 5 4, W 4 3",
        ("y = x @ W\nz = y.exp()"),
        ("dy = dz * z\ndW = x.T @ torch.ones_like(y)"),
        "This is only the local derivative: dy, the gradient of y, is missing.",
        "dW = x.T @ dy",
    ),
    (
        "x 5 4, W 4 3",
        ("y = x @ W\nz = y.exp()"),
        ("dy = dz * z\ndx = W.T"),
        "This is only the local derivative: dy, the gradient of y, is missing.",
        "dx = dy @ W.T",
    ),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "db = x.sum(0, keepdim=True)",
        "This is only the local derivative: dy, the gradient of y, is missing.",
        "db = (x * dy).sum(0, keepdim=True)",
    ),
    (
        "x 5 4",
        "l = x.abs().log()",
        "dx = 1 / x",
        "This is only the local derivative: dl, the gradient of l, is missing.",
        "dx = 1 / x * dl",
    ),
]
OTHERS = [
    ("x 5 4", "h = torch.tanh(x)", "dx = dh", "HG109"),
    ("x 5 4", "h = torch.tanh(x)", "dx = (1 - h**2) * h", "HG106"),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_multiplies_by_what_comes_back(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (upstream_missing.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
