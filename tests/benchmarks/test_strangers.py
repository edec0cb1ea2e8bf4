"""The programs of benchmarks/strangers: every fault is one, and the figures can be taken."""

import pytest
from benchmarks.strangers.grade import cases, judged
from benchmarks.strangers.table import Program, programs
from benchmarks.strangers.truth import is_fault, slopes

ALL = programs()
FEW = programs("torch_script_two_layers")


@pytest.mark.parametrize("program", ALL, ids=lambda program: program.name)
def test_a_fault_changes_one_line(program: Program) -> None:
    assert 2 <= len(program.faults) <= 6
    assert program.values()
    for fault in program.faults:
        assert fault.causes, fault.wrong
        assert fault.wrong != fault.right
        assert program.lines_to_blame(fault)  # raises unless the lines are there, once each


@pytest.mark.parametrize("program", ALL[::8], ids=lambda program: program.name)
def test_the_program_is_right_and_its_faults_are_wrong(program: Program) -> None:
    assert slopes(program) == []
    assert [f.wrong for f in program.faults if not is_fault(program, f)] == []


def test_the_truth_can_fail() -> None:
    (program,) = FEW
    wrong = Program(program.name, program.planted(program.faults[0]), program.loss)
    wrong.gradients = program.gradients
    assert "where the slope is" in slopes(wrong)[0]


def test_each_case_is_judged() -> None:
    given = cases(FEW)[:2]
    right, wrong = judged(given, jobs=1)
    assert right.named, right.says
    assert wrong.named, wrong.says
    assert wrong.reason, wrong.says
    assert wrong.line, wrong.says
