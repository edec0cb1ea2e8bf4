"""Gradients without a telling name: found by their value, or by what reads them."""

import pytest

from checker.core.programs_without_names import MISTAKES, RIGHT
from checker.core.test_losses import HEAD


@pytest.mark.parametrize(("hands", "code"), RIGHT.values(), ids=RIGHT)
def test_they_are_right_for_the_result_that_they_belong_to(check, hands, code):
    report = check(HEAD + code)
    rows = [row for row in report.rows if row.hand]
    assert {row.verdict for row in rows} <= {"exact", "rounding"}
    assert [row.hand for row in rows] == hands.split()
    assert {note.code for note in report.notes} <= {"HG214"}


@pytest.mark.parametrize(
    ("right", "line", "wrong", "node", "cause", "fix"), MISTAKES.values(), ids=MISTAKES
)
def test_a_mistake_is_blamed_on_its_line(check, right, line, wrong, node, cause, fix):
    code = RIGHT[right][1].replace(line, wrong)
    roots = [row for row in check(HEAD + code).rows if row.blame == "root"]
    (row,) = roots
    assert wrong in code
    assert row.statement in wrong
    assert (row.node, row.cause, row.fix) == (node, cause, fix)


ALIAS = """\
x = torch.randn(8, 4); w = torch.randn(4, 3, requires_grad=True)
z = x @ w
loss = (z**3).sum(); loss.backward()
dz = 3 * z**2
dw = x.T @ dz
dz2 = dz
dz2 *= 0
"""


def test_a_change_through_another_name_moves_no_gradient(check):
    row = next(row for row in check(HEAD + ALIAS).rows if row.hand == "dz")
    assert (row.node, row.verdict, row.cause) == ("z", "wrong", "HG126")
