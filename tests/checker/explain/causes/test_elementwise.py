"""HG115: what it says of elementwise, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import elementwise

CASES = [
    (
        "x 4 4, W 4 4",
        "y = x @ W",
        "dx = dy * W.T",
        "`*` multiplies elementwise; the forward pass has a matrix product: dy @ W.T.",
        "dx = dy @ W.T",
    ),
    (
        "x 4 4, W 4 4",
        "y = x @ W",
        "dx = torch.mul(dy, W)",
        ("torch.mul multiplies elementwise; the forward pass has a matrix product: dy @ W.T."),
        "dx = torch.matmul(dy, W.T)",
    ),
    (
        "x 4 4, W 4 4",
        "y = x @ W",
        "dW = x.mul(dy)",
        "mul multiplies elementwise; the forward pass has a matrix product: x.T @ dy.",
        "dW = x.T.matmul(dy)",
    ),
    (
        "x 4 4, W 4 4",
        "y = x * W",
        "dx = dy @ W",
        "`@` is a matrix product; the forward pass multiplies elementwise.",
        "dx = dy * W",
    ),
    (
        "x 4 4, W 4 4",
        "y = x * W",
        "dx = torch.matmul(dy, W)",
        "torch.matmul is a matrix product; the forward pass multiplies elementwise.",
        "dx = torch.mul(dy, W)",
    ),
]
OTHERS = [
    ("x 4 4, W 4 4", "y = x @ W", "dx = dy @ W", "HG114"),
    ("x 4 4, W 4 4", "y = x * W", "dx = dy * x", "HG107"),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_takes_the_other_product(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (elementwise.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
