"""HG102: what it says of turned signs, and what it leaves to others."""

import pytest

from handgrad.checker.causes import sign

WHOLE = "The sign is turned: this is minus what is right."


@pytest.mark.parametrize(
    ("original", "mutated", "message", "fix"),
    [
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
            "The sign of h**2 is turned.",
            "dhpreact = (1.0 - h**2) * dh",
        ),
        (
            "dbndiff += 2 * bndiff * dbndiff2",
            "dbndiff -= 2 * bndiff * dbndiff2",
            "The sign of 2 * bndiff * dbndiff2 is turned.",
            "dbndiff += 2 * bndiff * dbndiff2",
        ),
    ],
)
def test_it_turns_the_sign_back(lecture, original, mutated, message, fix) -> None:
    row = lecture(original, mutated)
    assert (row.cause, row.message, row.fix) == (sign.CODE, message, fix)
    assert row.checked in ("exact", "rounding")


@pytest.mark.parametrize(
    ("original", "mutated"),
    [
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
    ],
)
def test_it_leaves_other_mistakes_alone(lecture, original, mutated) -> None:
    assert lecture(original, mutated).cause != sign.CODE
