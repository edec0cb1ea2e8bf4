"""HG113: what it says of wrong axis, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import wrong_axis

CASES = [
    (
        "x 4 4, b 1 4",
        "y = x * b",
        "db = torch.sum(dy * x, dim=1, keepdim=True)",
        "sum runs along dimension 1; dimension 0 is correct.",
        "db = torch.sum(dy * x, dim=0, keepdim=True)",
    ),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "db = (x * dy).sum()",
        "sum runs along all dimensions; dimension 0 is correct.",
        "db = (x * dy).sum(0, keepdim=True)",
    ),
    (
        "x 2 3 4 4, s 1 3 1 1, b 3",
        "y = x * s + b[None, :, None, None]",
        "ds = (dy * x).sum(dim=(1, 2, 3), keepdim=True)",
        "sum runs along dimensions 1, 2, 3; dimensions 0, 2, 3 is correct.",
        "ds = (dy * x).sum(dim=(0, 2, 3), keepdim=True)",
    ),
    (
        "x 2 3 4 4, s 1 3 1 1, b 3",
        "y = x * s + b[None, :, None, None]",
        "db = dy.sum((2, 3))",
        "sum runs along dimensions 2, 3; dimensions 0, 2, 3 is correct.",
        "db = dy.sum((0, 2, 3))",
    ),
    (
        "x 4 4",
        "p = torch.softmax(x, -1)",
        ("t = (dp * p).sum(-2, keepdim=True)\ndx = p * (dp - (dp * p).sum(-2, keepdim=True))"),
        "sum runs along dimension -2; dimension -1 is correct.",
        "dx = p * (dp - (dp * p).sum(-1, keepdim=True))",
    ),
    (
        "x 4 4, y 4 4",
        "z = torch.cat([x, y], 1)",
        "dx = dz.chunk(2, 0)[0].reshape(4, 4)",
        "chunk runs along dimension 0; dimension 1 is correct.",
        "dx = dz.chunk(2, 1)[0].reshape(4, 4)",
    ),
]
OTHERS = [
    ("x 4 3, b 1 3", "y = x * b", "db = (x * dy).mean(0, keepdim=True)", "HG117"),
    ("x 4 3, b 1 3", "y = x * b", "dx = dy.sum(1, keepdim=True) * b", "HG111"),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_goes_along_the_other(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (wrong_axis.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
