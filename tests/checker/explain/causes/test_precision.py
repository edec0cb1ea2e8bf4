"""HG134: too few digits."""

import pytest

from checker.explain.causes.conftest import assert_told
from checker.explain.causes.programs import SCALED
from handgrad.checker.explain.causes import precision

DIGITS = "The formula is correct, but {} keeps too few digits. {} is float32."
CUT = "Rounding to {} drops the fractional part."

CASES = [
    (
        "SCALED",
        "",
        "dV = (h.half().T @ dout.half()).float()",
        "dV",
        DIGITS.format("float16", "V"),
        "dV = h.T @ dout",
        None,
    ),
    (
        "SCALED",
        "",
        "dV = (h.T @ dout).to(torch.bfloat16).float()",
        "dV",
        DIGITS.format("bfloat16", "V"),
        "dV = (h.T @ dout).float()",
        None,
    ),
    (
        "SCALED",
        "",
        "t = h.bfloat16().T @ dout.bfloat16(); dV = t.float()",
        "dV",
        DIGITS.format("t, bfloat16,", "V"),
        None,
        None,
    ),
    (
        "SCALED",
        "",
        "dV = (h.T @ dout * 1000).round() / 1000",
        "dV",
        CUT.format("whole numbers"),
        "dV = h.T @ dout * 1000 / 1000",
        None,
    ),
    (
        "SCALED",
        "",
        "dV = (h.T @ dout).long().float()",
        "dV",
        CUT.format("int64"),
        "dV = (h.T @ dout).float()",
        None,
    ),
]

OTHERS = [
    ("SCALED", "", "dV = -(h.half().T @ dout.half()).float()", "dV"),  # the sign as well
    ("SCALED", "", "dV = (h.T @ dout).float() * 2", "dV"),
    ("SCALED", "", "dV = h.float().T @ dout.float()", "dV"),  # nothing is lost
]


@pytest.mark.parametrize(("program", "original", "lines", "hand", "message", "fix", "at"), CASES)
def test_lost_digits_are_told(row_of, program, original, lines, hand, message, fix, at) -> None:
    row = row_of(program, original, lines, hand)
    assert_told(row, precision.CODE, message, fix, at)
    assert (row.blame, row.verdict) == ("root", "wrong")


@pytest.mark.parametrize(("program", "original", "lines", "hand"), OTHERS)
def test_it_leaves_other_mistakes_alone(row_of, program, original, lines, hand) -> None:
    assert row_of(program, original, lines, hand).cause != precision.CODE


def test_what_reads_it_inherits(explained) -> None:
    source = SCALED.replace("dout @ V.T", "(dout @ V.T).bfloat16().float()")
    assert explained(source, "dh").cause == precision.CODE
    row = explained(source, "ds")
    assert (row.message, row.blamed_on) == (
        "The line is correct and inherits the error of dh.",
        ("dh",),
    )
