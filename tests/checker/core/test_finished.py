"""Whether what a gradient lacks may still follow: not where the whole backward pass is written."""

from handgrad.checker.report.report import Report

NORM = """\
import torch

torch.manual_seed(5)
x = torch.randn(6, 4)
v = torch.randn(4, 2)
mean = x.mean(-1, keepdim=True)
centred = x - mean
score = centred @ v
loss = (score**2).sum()
dscore = 2 * score
dv = centred.T @ dscore
dcentred = dscore @ v.T
dx = dcentred
"""
LACKING = "dx lacks the contribution through mean."
OPEN = "Correct so far; the contribution through mean is still missing."


def last(report: Report) -> tuple[object, ...]:
    (row,) = [row for row in report.rows if row.hand == "dx"]
    return row.verdict, row.blame, row.message, row.fix


def test_a_file_that_has_all_other_gradients_of_its_parameters_is_finished(check) -> None:
    assert last(check(NORM)) == ("wrong", "root", LACKING, None)


def test_the_correct_twin_is_right(check) -> None:
    right = NORM.replace("dx = dcentred", "dx = dcentred - dcentred.mean(-1, keepdim=True)")
    assert {row.verdict for row in check(right).rows} <= {"exact", "rounding"}


def test_where_a_gradient_in_the_middle_comes_last_more_may_follow(check) -> None:
    middle = NORM.replace("x = torch.randn(6, 4)", "u = torch.randn(6, 4)\nx = torch.exp(u)")
    assert last(check(middle)) == ("rounding", None, OPEN, None)


def test_where_an_error_ended_the_file_more_may_follow(check) -> None:
    assert last(check(f"{NORM}raise ValueError\n")) == ("rounding", None, OPEN, None)
