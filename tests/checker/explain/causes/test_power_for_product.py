"""HG116: what it says of power for product, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import power_for_product

CASES = [
    (
        "x 5 4",
        "h = torch.tanh(x)",
        "dx = (1 - h * 2) * dh",
        "h * 2 is a product; the power h**2 is meant.",
        "dx = (1 - h**2) * dh",
    ),
    (
        "x 6 3",
        "y = x**2",
        "dx = 2**x * dy",
        "2**x is a power; the product 2 * x is meant.",
        "dx = 2*x * dy",
    ),
    (
        "x 4 4, W 4 4",
        "y = x * W",
        "dx = dy ** W",
        "dy ** W is a power; the product dy * W is meant.",
        "dx = dy * W",
    ),
    (
        "x 6 3",
        ("v = x**2 + 1\ns = torch.rsqrt(v)"),
        "dv = -0.5 * s * 3 * ds",
        "-0.5 * s * 3 is a product; the power -0.5 * s**3 is meant.",
        "dv = -0.5 * s**3 * ds",
    ),
]
OTHERS = [
    ("x 6 3", "y = x**2", "dx = 2 * x**2 * dy", "HG104"),
    ("x 6 3", "y = x**2", "dx = x * dy", "HG103"),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_counts_the_stars(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (power_for_product.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
