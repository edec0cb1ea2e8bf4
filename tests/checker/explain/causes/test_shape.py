"""HG137: what it says of shape, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import shape

CASES = [
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "db = torch.sum(dy * x, 0)",
        "The value is correct, but its shape is (3,) and b has shape (1, 3): keepdim=True "
        "corrects it.",
        "db = torch.sum(dy * x, 0, keepdim=True)",
    ),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "db = (dy * x).sum(axis=0)",
        "The value is correct, but its shape is (3,) and b has shape (1, 3): keepdim=True "
        "corrects it.",
        "db = (dy * x).sum(axis=0, keepdim=True)",
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
        "dg = (dy * xhat).sum(0, keepdim=True)",
        "The value is correct, but its shape is (1, 8) and g has shape (8,): .view(8,) corrects "
        "it.",
        "dg = (dy * xhat).sum(0)",
    ),
    (
        "x 4 4, W 4 4",
        "y = x @ W",
        "dW = (x.T @ dy)[None]",
        (
            "The value is correct, but its shape is (1, 4, 4) and W has shape (4, 4): .view(4, 4) "
            "corrects it."
        ),
        "dW = (x.T @ dy)[None].view(4, 4)",
    ),
    (
        "x 5 4, b 4",
        "y = x + b",
        "db = dy.sum(dim=0, keepdim=True)",
        "The value is correct, but its shape is (1, 4) and b has shape (4,): .view(4,) corrects "
        "it.",
        "db = dy.sum(dim=0)",
    ),
]
OTHERS = [
    ("x 4 3, b 1 3", "y = x * b", "db = (dy * x).sum(1, keepdim=True)", "HG113"),
    ("x 4 3, b 1 3", "y = x * b", "db = dy.sum(0)", None),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_keeps_the_dimension_or_drops_it(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (shape.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
