"""HG102: what it says of turned signs, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import sign

WHOLE = "Wrong sign: this is the negative of the correct gradient."
CASES = [
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "dx = dy.neg() * b",
        "Wrong sign: this is the negative of the correct gradient.",
        "dx = dy * b",
    ),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "dx = -1 * dy * b",
        "Wrong sign: this is the negative of the correct gradient.",
        "dx = dy * b",
    ),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "dx = torch.mul(dy, -b)",
        "Wrong sign: this is the negative of the correct gradient.",
        "dx = torch.mul(dy, b)",
    ),
    (
        "x 5 4, y 5 4",
        "z = x - y",
        "dy = dz",
        "Wrong sign: this is the negative of the correct gradient.",
        "dy = -dz",
    ),
    (
        "x 5 4",
        ("def f(a):\n    return a * 2\ny = f(x)"),
        "dx = -f(dy)",
        "Wrong sign: this is the negative of the correct gradient.",
        "dx = f(dy)",
    ),
    (
        "x 4 6",
        ("m = x.mean(1, keepdim=True)\nd = x-m"),
        "dx = dd.mean(1, keepdim=True) - dd",
        "Wrong sign: this is the negative of the correct gradient.",
        "dx = dd - dd.mean(1, keepdim=True)",
    ),
    (
        "x 4 6",
        ("m = x.mean(1, keepdim=True)\nd = x-m"),
        "dx = dd+dd.mean(1, keepdim=True)*1.0",
        "The sign of dd.mean(1, keepdim=True)*1.0 is wrong.",
        "dx = dd-dd.mean(1, keepdim=True)*1.0",
    ),
]
OTHERS = [
    ("x 4 3, b 1 3", "y = x * b", "dx = dy", "HG109"),
    ("x 4 3", "r = F.relu(x)", "dx = dr * (x < 0)", "HG130"),
    ("x 4 3", "z = x.exp() - x", "dx = dz * (x.exp() - x)", "HG109"),
]

LECTURE = [
    (
        "dbnmeani = (-dbndiff).sum(0, keepdim=True)",
        "dbnmeani = dbndiff.sum(0, keepdim=True)",
        WHOLE,
        "dbnmeani = -dbndiff.sum(0, keepdim=True)",
    ),
    (
        "dcounts_sum = -counts_sum**-2 * dcounts_sum_inv",
        "dcounts_sum = counts_sum**-2 * dcounts_sum_inv",
        WHOLE,
        "dcounts_sum = -counts_sum**-2 * dcounts_sum_inv",
    ),
    (
        "dhpreact = (1.0 - h**2) * dh",
        "dhpreact = (1.0 + h**2) * dh",
        "The sign of h**2 is wrong.",
        "dhpreact = (1.0 - h**2) * dh",
    ),
    (
        "dbndiff += 2 * bndiff * dbndiff2",
        "dbndiff -= 2 * bndiff * dbndiff2",
        "The sign of 2 * bndiff * dbndiff2 is wrong.",
        "dbndiff += 2 * bndiff * dbndiff2",
    ),
]
LECTURE_OTHERS = [
    # twice as much as minus what is right
    (
        "dbnmeani = (-dbndiff).sum(0, keepdim=True)",
        "dbnmeani = 2 * dbndiff.sum(0, keepdim=True)",
    ),
    # the exponent's sign, not the gradient's
    (
        "dcounts_sum = -counts_sum**-2 * dcounts_sum_inv",
        "dcounts_sum = -counts_sum**2 * dcounts_sum_inv",
    ),
]


@pytest.mark.parametrize(("original", "mutated", "message", "fix"), LECTURE)
def test_it_turns_the_sign_back(lecture, original, mutated, message, fix) -> None:
    row = lecture(original, mutated)
    assert (row.cause, row.message, row.fix) == (sign.CODE, message, fix)
    assert row.checked in ("exact", "rounding")


@pytest.mark.parametrize(("original", "mutated"), LECTURE_OTHERS)
def test_it_leaves_other_mistakes_alone(lecture, original, mutated) -> None:
    assert lecture(original, mutated).cause != sign.CODE


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_does_however_the_sign_is_written(
    small, leaves, forward, backward, message, fix
) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (sign.CODE, message, fix)
    assert row.checked in ("exact", "rounding")


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_what_only_looks_like_it_alone(small, leaves, forward, backward, cause) -> None:
    assert small(leaves, forward, backward).cause == cause
