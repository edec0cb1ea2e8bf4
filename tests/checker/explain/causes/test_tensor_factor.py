"""HG105: what it says of tensor factor, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import tensor_factor

CASES = [
    (
        "bndiff 6 4, v 1 4",
        ("bnvar_inv = (v.abs() + 1)**-0.5\nbnraw = bndiff * bnvar_inv"),
        "dbndiff = bndiff * bnvar_inv * dbnraw",
        "Off by the factor bndiff: it appears once too often.",
        "dbndiff = bnvar_inv * dbnraw",
    ),
    ("x 4 3, b 1 3", "y = x * b", "dx = dy / b", "Off by the factor 1 / b**2.", "dx = dy * b"),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "dx = dy * b * b",
        "Off by the factor b: it appears once too often.",
        "dx = dy * b",
    ),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "db = (dy * x * b).sum(0, keepdim=True)",
        "Off by the factor b: it appears once too often.",
        "db = (dy * x).sum(0, keepdim=True)",
    ),
    (
        "x 5 4, y 5 4, w 5 4",
        "z = x * y * w",
        "dx = dz * y",
        "The factor w is missing: `z = x * y * w` has it.",
        "dx = w * dz * y",
    ),
    (
        "x 5 4, y 5 4, w 5 4",
        "z = (x * y * w).sum(0)",
        "dx = y * dz",
        "The factor w is missing: `z = (x * y * w).sum(0)` has it.",
        "dx = w * y * dz",
    ),
    (
        "x 5 4",
        "a = x.exp()",
        "dx = a * a * da",
        "Off by the factor a: it appears once too often.",
        "dx = a * da",
    ),
    (
        "a 5 4, x 5 4, y 5 4",
        "z = torch.sigmoid(a)\nm = (1 - z) * x * y",
        "dx = dm * z * y",
        "z is used where 1 - z belongs.",
        "dx = dm * (1 - z) * y",
    ),
]
OTHERS = [
    ("x 4 3, b 1 3", "y = x * b", "dx = dy", "HG109"),
    ("x 4 3, b 1 3", "y = x * b", "dx = x * dy", "HG107"),
    ("x 6 3", ("v = x**2 + 1\ns = torch.rsqrt(v)"), "dv = -0.5 * v.pow(-0.5) * ds", "HG104"),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_names_the_tensor(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (tensor_factor.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
