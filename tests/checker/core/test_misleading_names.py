"""A name is a lead: what the value, or what reads the gradient, says counts more."""

import pytest

from checker.core.programs_of_misleading_names import MISTAKES, RIGHT

HEAD = "import numpy as np, torch\nnp.random.seed(0); torch.manual_seed(0)\n"


@pytest.mark.parametrize("code", RIGHT.values(), ids=RIGHT)
def test_a_correct_program_is_called_right(check, code):
    report = check(HEAD + code)
    assert {row.verdict for row in report.rows if row.hand} <= {"exact", "rounding"}
    assert {row.blame for row in report.rows} <= {None, "", "right"}
    assert {note.code for note in report.notes} <= {"HG203"}


@pytest.mark.parametrize(("right", "line", "wrong"), MISTAKES)
def test_only_its_line_is_blamed_for_a_mistake(check, right, line, wrong):
    code = HEAD + RIGHT[right]
    assert line in code
    number = code[: code.index(line)].count("\n") + 1
    roots = [row for row in check(code.replace(line, wrong)).rows if row.blame == "root"]
    assert [number in {p.line for p in row.places or (row.place,)} for row in roots] == [True]
