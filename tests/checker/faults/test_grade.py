"""The proving ground can fail: every way in which a report may be off is complained of."""

from dataclasses import replace
from typing import Any

import pytest
from benchmarks.proving.generate import Fault, generate
from benchmarks.proving.grade import alarms, blamed, check_program, complaints
from benchmarks.proving.program import PLAIN, SOURCE

from handgrad.checker.records import Place, Row
from handgrad.checker.report.report import Report


@pytest.fixture(scope="module")
def fault() -> Fault:
    """dhpreact = (1.0 - h**2) * dh, the derivative forgotten."""
    made = generate(["local derivative missing"]).faults
    return next(f for f in made if f.mutated == "dhpreact = dh.clone()")


@pytest.fixture(scope="module")
def report(fault: Fault) -> Report:
    return check_program(fault.source, fault.sizes)


def changed(report: Report, hand: str, fields: dict[str, Any]) -> Report:
    rows = [replace(row, **fields) if row.hand == hand else row for row in report.rows]
    return replace(report, rows=tuple(rows))


def test_the_right_report_passes(report: Report, fault: Fault) -> None:
    assert complaints(report, [fault], fault.effect) == []
    assert blamed(report) == {"dhpreact": {48}}


@pytest.mark.parametrize(
    ("hand", "fields", "expected"),
    [
        ("dhpreact", {"blame": "inherited"}, ["dhpreact: not blamed"]),
        ("dhpreact", {"places": (Place(47),)}, ["dhpreact: line [47] blamed, not 48"]),
        ("dW1", {"blame": "root"}, ["dW1: blamed, and is right"]),
        ("dW1", {"verdict": "exact", "blame": None}, ["dW1: exact, and is wrong"]),
        ("dW1", {"blamed_on": ()}, ["dW1: inherits from nothing"]),
        ("dW1", {"blamed_on": ("dh",)}, ["dW1: inherits from dh"]),
        ("dW2", {"verdict": "wrong", "blame": "inherited"}, ["dW2: wrong, and is right"]),
        ("dW2", {"verdict": "wrong", "blame": None}, ["dW2: blamed, and is right"]),
        ("dW2", {"hand": None}, ["dW2: not in the report"]),
    ],
)
def test_a_report_that_is_off_is_complained_of(
    report: Report, fault: Fault, hand: str, fields: dict[str, Any], expected: list[str]
) -> None:
    assert complaints(changed(report, hand, fields), [fault], fault.effect) == expected


def test_a_line_that_is_named_besides_is_complained_of(report: Report, fault: Fault) -> None:
    both = changed(report, "dhpreact", {"places": (Place(48), Place(50))})
    assert complaints(both, [fault], fault.effect) == ["dhpreact: line [48, 50] blamed, not 48"]


def test_alarms_on_correct_code() -> None:
    report = check_program(SOURCE, PLAIN)
    assert alarms(report, ["dh", "dW1"]) == []
    assert alarms(report, ["dz"]) == ["dz: not graded"]
    row = Row("h", "dh", "wrong", ratio=9.0, message="said")
    assert alarms(Report("", (row,)), ["dh"]) == ["dh: wrong, R 9.0, said"]
    lucky = Row("h", "dh", "exact", blame="root", ratio=0.0, message="luck")
    assert alarms(Report("", (lucky,)), ["dh"]) == ["dh: exact, R 0.0, luck"]
