"""HG111: what it says of extra sum, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import extra_sum

CASES = [
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "dx = torch.sum(dy, dim=0, keepdim=True) * b",
        ("dy must not be summed here: the forward pass does not broadcast along that dimension."),
        "dx = dy * b",
    ),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "dx = b * dy.mean(0)",
        ("dy must not be averaged here: the forward pass does not broadcast along that dimension."),
        "dx = b * dy",
    ),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "dx = (b * dy).sum(axis=1, keepdims=True)",
        (
            "b * dy must not be summed here: the forward pass does not broadcast along that "
            "dimension."
        ),
        "dx = b * dy",
    ),
    (
        "x 4 4, W 4 4",
        "y = x @ W",
        "dx = dy.sum(0, keepdim=True) @ W.T",
        ("dy must not be summed here: the forward pass does not broadcast along that dimension."),
        "dx = dy @ W.T",
    ),
    (
        "x 2 3 4 4, s 1 3 1 1, b 3",
        "y = x * s + b[None, :, None, None]",
        "dx = s * dy.sum((2, 3), keepdim=True)",
        ("dy must not be summed here: the forward pass does not broadcast along that dimension."),
        "dx = s * dy",
    ),
]
OTHERS = [
    ("x 4 3, b 1 3", "y = x * b", "dx = dy.sum(0, keepdim=True) * b * 2", None),
    ("x 4 3, b 1 3", "y = x * b", "db = (dy * x).sum()", "HG113"),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_leaves_the_sum_out(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (extra_sum.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
