"""HG110: what it says of missing sum, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import missing_sum

CASES = [
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "db = dy * x",
        (
            "A sum over dimension 0 is missing: the forward pass broadcasts b, so the "
            "gradients of all its copies must be added."
        ),
        "db = (dy * x).sum(0, keepdim=True)",
    ),
    (
        "x 4 3, b 1 3",
        ("t = torch.sum(x, dim=1)\ny = x * b + torch.sum(t, dim=0)"),
        "db = dy * x",
        (
            "A sum over dimension 0 is missing: the forward pass broadcasts b, so the "
            "gradients of all its copies must be added."
        ),
        "db = torch.sum(dy * x, dim=0, keepdim=True)",
    ),
    (
        "x 2 3 4 4, s 1 3 1 1, b 3",
        "y = x * s + b[None, :, None, None]",
        "ds = dy * x",
        (
            "A sum over dimensions 0, 2, 3 is missing: the forward pass broadcasts s, so the "
            "gradients of all its copies must be added."
        ),
        "ds = (dy * x).sum((0, 2, 3), keepdim=True)",
    ),
    (
        "x 4 4, W 4 4",
        ("m = x.sum(1, keepdim=True)\ny = m * W"),
        "dm = dy * W",
        (
            "A sum over dimension 1 is missing: the forward pass broadcasts m, so the "
            "gradients of all its copies must be added."
        ),
        "dm = (dy * W).sum(1, keepdim=True)",
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
        ("dxhat = dy * g\ndrstd = dxhat * d"),
        (
            "A sum over the last dimension is missing: the forward pass broadcasts rstd, so "
            "the gradients of all its copies must be added."
        ),
        "drstd = (dxhat * d).sum(-1, keepdim=True)",
    ),
]
OTHERS = [
    ("x 4 3, b 1 3", "y = x * b", "db = x * dy.sum(0, keepdim=True)", "HG112"),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "db = (x * dy).sum(1, keepdim=True)[:1] * torch.ones(1, 3)",
        "HG113",
    ),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_sums_what_was_broadcast(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (missing_sum.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
