"""HG118: what it says of Bessel's correction, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import bessel

CASES = [
    (
        "x 12 4",
        ("n = 12\nd = x - x.mean(0, keepdim=True)\nv = (d**2).sum(0, keepdim=True) / (n - 1)"),
        "dd = 2 * d * dv / n",
        (
            "This line uses n where the forward pass uses n - 1: Bessel's correction belongs "
            "in both or in neither."
        ),
        "dd = 2 * d * dv / (n - 1)",
    ),
    (
        "x 12 4",
        ("n = 12\nd = x - x.mean(0, keepdim=True)\nv = (d**2).sum(0, keepdim=True) / (n - 1)"),
        "dd = 2 * d / 12 * dv",
        (
            "This line uses 12 where the forward pass uses 11: Bessel's correction belongs in"
            " both or in neither."
        ),
        "dd = 2 * d / 11 * dv",
    ),
    (
        "x 12 4",
        ("n = 12\nd = x - x.mean(0, keepdim=True)\nv = (d**2).sum(0, keepdim=True) / (n - 1)"),
        "dd = d * dv * 2 / x.shape[0]",
        (
            "This line uses x.shape[0] where the forward pass uses x.shape[0] - 1: Bessel's "
            "correction belongs in both or in neither."
        ),
        "dd = d * dv * 2 / (x.shape[0] - 1)",
    ),
    (
        "x 12 4",
        "v = x.var(0, unbiased=False, keepdim=True)",
        "dx = 2 * (x - x.mean(0, keepdim=True)) / (len(x) - 1) * dv",
        (
            "This line uses len(x) - 1 where the forward pass uses len(x): Bessel's "
            "correction belongs in both or in neither."
        ),
        "dx = 2 * (x - x.mean(0, keepdim=True)) / len(x) * dv",
    ),
    (
        "x 12 4",
        "v = x.var(0, keepdim=True)",
        ("dx = (x - x.mean(0, keepdim=True)) * dv\ndx *= 2 / 12"),
        (
            "This line uses 12 where the forward pass uses 11: Bessel's correction belongs in"
            " both or in neither."
        ),
        "dx *= 2 / 11",
    ),
]
OTHERS = [
    (
        "x 12 4",
        ("n = 12\nd = x - x.mean(0, keepdim=True)\nv = (d**2).sum(0, keepdim=True) / (n - 1)"),
        "dd = 2 * d * dv",
        "HG103",
    ),
    (
        "x 12 4",
        ("n = 12\nd = x - x.mean(0, keepdim=True)\nv = (d**2).sum(0, keepdim=True) / (n - 1)"),
        "dd = 2 * d * dv / (n - 2)",
        "HG103",
    ),
    (
        "x 12 4",
        ("n = 12\nd = x - x.mean(0, keepdim=True)\nv = (d**2).sum(0, keepdim=True) / (n - 1)"),
        "dd = d**2 * dv / (n - 1)",
        "HG104",
    ),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_takes_n_for_n_minus_one_and_back(
    small, leaves, forward, backward, message, fix
) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (bessel.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
