"""HG117: what it says of mean for sum, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import mean_for_sum

CASES = [
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "db = torch.mean(dy * x, dim=0, keepdim=True)",
        "This line takes the mean; the sum is correct.",
        "db = torch.sum(dy * x, dim=0, keepdim=True)",
    ),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "db = (dy * x).mean(axis=0, keepdims=True)",
        "This line takes the mean; the sum is correct.",
        "db = (dy * x).sum(axis=0, keepdims=True)",
    ),
    (
        "x 2 3 4 4, s 1 3 1 1, b 3",
        "y = x * s + b[None, :, None, None]",
        "ds = (dy * x).mean((0, 2, 3), keepdim=True)",
        "This line takes the mean; the sum is correct.",
        "ds = (dy * x).sum((0, 2, 3), keepdim=True)",
    ),
    (
        "x 4 6",
        ("m = x.mean(1, keepdim=True)\nd = x - m"),
        "dx = dd - dd.sum(1, keepdim=True)",
        "This line takes the sum; the mean is correct.",
        "dx = dd - dd.mean(1, keepdim=True)",
    ),
]
OTHERS = [
    ("x 4 3, b 1 3", "y = x * b", "dx = b * dy.mean(0)", "HG111"),
    ("x 4 3, b 1 3", "y = x * b", "db = (dy * x).sum(0, keepdim=True) / 2", "HG103"),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_exchanges_mean_and_sum(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (mean_for_sum.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
