"""Every planted fault is named at its line, and nothing else is."""

from collections.abc import Iterator
from functools import cache

import pytest
import torch
from benchmarks.proving.causes import Explained, counted, row_of
from benchmarks.proving.generate import Fault, Generated, effects, generate
from benchmarks.proving.grade import RIGHT, blamed, check_program, complaints
from benchmarks.proving.kinds import KINDS
from benchmarks.proving.pairs import at_random, every_two, sample
from benchmarks.proving.pairs import pair as pair_of
from benchmarks.proving.program import PLAIN, SOURCE, SQUARE, Sizes, hand_names

from checker.faults.shared_truth import SharedTruth
from handgrad.checker import check

COUNTS = {
    "n for n - 1": (3, 0, 0),
    "missing branch": (15, 1, 0),
    "sign": (36, 6, 0),
    "factor 2": (55, 10, 0),
    "forward value for gradient": (29, 0, 1),
    "wrong operand": (53, 15, 0),
    "missing sum": (8, 0, 0),
    "extra sum": (59, 21, 37),
    "sum along the other axis": (8, 1, 0),
    "keepdim missing": (6, 0, 0),
    "mean for sum": (6, 2, 0),
    "sum before multiply": (9, 0, 0),
    "transposed or elementwise for matmul": (20, 0, 0),
    "exponent": (9, 0, 0),
    "upstream missing": (13, 0, 3),
    "local derivative missing": (14, 2, 0),
    "alias written to": (9, 1, 0),
    "0.1 % off": (53, 10, 0),
}
"""Faults of a kind, candidates that change nothing, candidates that raise: none drops unseen."""
OTHER_CAUSE = {"missing branch": 1, "wrong operand": 1}
"""Faults of a kind whose cause is named differently. A correct line is offered for every fault."""
EVERY = 3
"""Of the pairs; `make prove` checks all of them."""


@pytest.fixture(autouse=True, scope="module")
def shared_truth() -> Iterator[None]:
    """No fault is in the forward pass, which all programs of the same sizes and dtype share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "differentiated", SharedTruth(check.differentiated))
        yield


@cache
def everything() -> Generated:
    return generate()


@cache
def chosen() -> list[Fault]:
    """One fault of each kind."""
    return sample(everything().faults)


@pytest.mark.parametrize("sizes", [PLAIN, SQUARE])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_program_itself_is_right(sizes: Sizes, dtype: torch.dtype) -> None:
    report = check_program(SOURCE, sizes, dtype)
    assert [row.hand for row in report.rows if row.verdict in RIGHT] == [
        row.hand for row in report.rows
    ]
    assert {row.hand for row in report.rows} == set(hand_names())
    assert len(report.rows) == 26
    assert blamed(report) == {}
    assert report.ok


def test_there_is_a_count_for_every_kind() -> None:
    assert list(COUNTS) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_named_at_its_line_and_nothing_besides(kind: str) -> None:
    made = everything()
    faults = [fault for fault in made.faults if fault.kind == kind]
    assert (len(faults), made.unchanged[kind], made.raises[kind]) == COUNTS[kind]
    rows = []
    for fault in faults:
        report = check_program(fault.source, fault.sizes)
        assert complaints(report, [fault], fault.effect) == [], fault
        assert not report.ok, fault
        rows.append((fault, row_of(report, fault)))
    explained = len(faults) - OTHER_CAUSE.get(kind, 0)
    assert counted(rows)[kind] == Explained(len(faults), explained, len(faults))


def test_a_slip_of_shape_has_a_verdict_of_its_own_and_its_correction() -> None:
    for fault in generate(["keepdim missing"]).faults:
        rows = {row.hand: row for row in check_program(fault.source, fault.sizes).rows}
        row = rows[fault.root.hand]
        assert (row.verdict, row.blame) == ("shape", None), fault
        assert row.message is not None
        assert row.message.endswith("keepdim=True corrects it."), row.message


def test_every_line_of_the_backward_pass_goes_wrong_somehow() -> None:
    # 34 and 64 begin with zeros, which half and double leave as they are
    assert {fault.line for fault in everything().faults} == set(range(35, 66)) - {64}


def test_the_sample_has_a_fault_of_each_kind_and_most_of_them_run_together() -> None:
    assert {fault.kind for fault in chosen()} == set(KINDS)
    assert len(list(every_two(chosen()))) == 153


@pytest.mark.parametrize("nth", range(len(KINDS) - 1))
def test_two_faults_at_once_are_both_named(nth: int) -> None:
    """Each fault of the sample with every third of those after it."""
    first, *others = chosen()[nth:]
    for pair in filter(None, (pair_of(first, other) for other in others[nth % EVERY :: EVERY])):
        report = check_program(pair.source, pair.sizes)
        assert complaints(report, pair.faults, pair.effect) == [], pair.faults


def test_two_faults_at_random_are_both_named() -> None:
    for pair in at_random(everything().faults, 20):
        report = check_program(pair.source, pair.sizes)
        assert complaints(report, pair.faults, pair.effect) == [], pair.faults


def test_what_changes_nothing_is_no_fault() -> None:
    """The branch through the maximum is 0: twice as much of it is rounding, twice as large."""
    double = SOURCE.replace("dlogit_maxes = (-d", "dlogit_maxes = 2 * (-d")
    assert double != SOURCE
    found = effects(double, PLAIN)
    assert found is not None
    assert set(found.values()) <= {"same", "grown"}
