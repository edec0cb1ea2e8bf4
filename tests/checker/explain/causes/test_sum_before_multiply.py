"""HG112: what it says of sum before multiply, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import sum_before_multiply

CASES = [
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "db = torch.sum(x, 0, True) * torch.sum(dy, 0, True)",
        (
            "This line sums before it multiplies: the sum of the products is needed, not the "
            "product of the sums."
        ),
        "db = torch.sum(x * dy, 0, True)",
    ),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "db = x.sum(dim=0, keepdim=True) * dy",
        (
            "This line sums before it multiplies: the sum of the products is needed, not the "
            "product of the sums."
        ),
        "db = (x * dy).sum(dim=0, keepdim=True)",
    ),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "db = x * dy.sum(0, True)",
        (
            "This line sums before it multiplies: the sum of the products is needed, not the "
            "product of the sums."
        ),
        "db = (x * dy).sum(0, True)",
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
        ("dxhat = dy * g\ndrstd = dxhat.sum(-1, keepdim=True) * d.sum(-1, keepdim=True)"),
        (
            "This line sums before it multiplies: the sum of the products is needed, not the "
            "product of the sums."
        ),
        "drstd = (dxhat * d).sum(-1, keepdim=True)",
    ),
]
OTHERS = [
    ("x 4 3, b 1 3", "y = x * b", "db = x.sum(0, keepdim=True)", "HG108"),
    ("x 4 3, b 1 3", "y = x * b", "dx = dy.sum(0, keepdim=True) * b", "HG111"),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_multiplies_first(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (sum_before_multiply.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
