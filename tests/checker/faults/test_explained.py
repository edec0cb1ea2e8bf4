"""Planted faults are explained by the right cause, and a right line is offered."""

from benchmarks.proving.causes import EXPECTED, counted, row_of
from benchmarks.proving.generate import generate
from benchmarks.proving.grade import check_program
from benchmarks.proving.kinds import KINDS

from handgrad.checker.explain.causes import CAUSES


def test_every_kind_has_its_causes() -> None:
    assert list(EXPECTED) == list(KINDS)
    assert set().union(*EXPECTED.values()) <= {cause.code for cause in CAUSES}


def test_another_cause_is_not_the_right_one() -> None:
    """A fault counted under the kind of another is explained wrongly: the count can fail."""
    sign, other = (generate([kind]).faults[0] for kind in ("sign", "extra sum"))
    row = row_of(check_program(sign.source, sign.sizes), sign)
    assert counted([(sign, row)])["sign"].right == 1
    assert counted([(other, row)])["extra sum"].right == 0
    assert counted([(sign, None)])["sign"].right == 0
