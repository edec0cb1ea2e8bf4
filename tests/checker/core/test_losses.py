"""Which loss gradients by hand follow from: loops, several losses, losses without a name."""

import pytest

from checker.core import programs_of_loops, programs_of_losses, programs_of_more_loops
from handgrad.checker.report.entries import unwritten
from handgrad.errors import CheckError

HEAD = """\
import torch
import torch.nn.functional as F
torch.manual_seed(0)
"""
RIGHT = {
    **programs_of_loops.PROGRAMS,
    **programs_of_more_loops.PROGRAMS,
    **programs_of_losses.PROGRAMS,
}


@pytest.mark.parametrize(("hands", "code"), RIGHT.values(), ids=RIGHT)
def test_gradients_that_are_right_for_their_loss_are_called_right(check, hands, code):
    report = check(HEAD + code)
    rows = [row for row in report.rows if row.hand]
    assert {row.verdict for row in rows} <= {"exact", "rounding"}
    assert sorted({row.hand for row in rows}) == hands.split()
    assert {note.code for note in report.notes} <= {"HG214", "HG208"}


MISTAKES = {
    # the program, a line of it, the line with a mistake, the gradient, the whole message
    "main": ("dW2 = h.T @ dlogits", "dW2 = h.T @ logits", "dW2",
             "logits is the forward value; its gradient dlogits belongs here."),
    "learning rates and steps": ("de = 2 * e / 6", "de = 2 * e**2 / 6", "de",
                                 "Off by the factor e: the derivative of x**2 is 2 * x, not "
                                 "2 * x**2."),
    "finite differences": ("dz /= 6", "dz /= 5", "dz",
                           "dz is divided by 5; 6 is correct (the rows of z)."),
    "summed over time": ("dh = dh + 2 * (hs[t+1] - y[t])", "dh = dh - 2 * (hs[t+1] - y[t])",
                         "dh", "Wrong sign: this is the negative of the correct gradient."),
}  # fmt: skip


@pytest.mark.parametrize(("name", "mistake"), MISTAKES.items(), ids=MISTAKES)
def test_a_mistake_is_found_whatever_the_loss(check, name, mistake):
    line, wrong, hand, message = mistake
    code = RIGHT[name][1]
    assert code.count(line) == 1
    rows = check(HEAD + code.replace(line, wrong)).rows
    roots = {row.hand: row.message for row in rows if row.blame == "root"}
    assert roots == {hand: message}


STALE = """\
raw = torch.randn(8, 5)
W = torch.randn(5, 4, requires_grad=True)
V = torch.randn(4, 3, requires_grad=True)
q = raw @ W
h = torch.tanh(q)
loss = ((h @ V) ** 2).mean()
loss.backward()
dh = 2 * (h @ V) / 24 @ V.T
loss_fast = (torch.tanh(q) ** 2).mean()
dq = (1 - h**2) * h
"""


def test_a_second_loss_between_two_gradients_takes_no_cause_away(check):
    row = next(row for row in check(HEAD + STALE).rows if row.hand == "dq")
    assert (row.cause, row.message, row.fix) == (
        "HG106",
        "h is the forward value; its gradient dh belongs here.",
        "dq = (1 - h**2) * dh",
    )


TWO = "y = (w**2).sum()\nz = (w**3).sum()\ndw = 2 * w\n"


def test_of_two_numbers_the_loss_is_the_one_that_the_gradient_is_right_for(check):
    (row,) = check(HEAD + "w = torch.randn(4, 3, requires_grad=True)\n" + TWO).rows
    assert (row.hand, row.verdict) == ("dw", "exact")


EVALUATED = """\
X = torch.randn(1000, 30)
w = torch.randn(30, 100, requires_grad=True)
for _ in range(3):
    loss = (torch.tanh(X[:32] @ w) ** 2).mean()
    w.grad = None
    loss.backward()
    w.data -= 0.1 * w.grad
@torch.no_grad()
def evaluate():
    a = torch.tanh(X @ w)
    loss = (a**2).mean()
evaluate()
da = None
"""


def test_an_evaluation_is_not_differentiated_for_what_is_unwritten(check, monkeypatch):
    with pytest.raises(CheckError, match="no gradient is written by hand"):
        check(HEAD + EVALUATED)
    monkeypatch.setattr(unwritten, "differentiated", None)  # would raise if it were called
    with pytest.raises(CheckError, match="no gradient is written by hand"):
        check(HEAD + EVALUATED)


TERMS = """\
import torch
torch.manual_seed(46)
x = torch.randn(6, 3)
W = torch.randn(3, 3)
V = torch.randn(3, 2)
h = torch.relu(x @ W)
y1 = h @ V
loss1 = (y1**2).sum()
y2 = h.sum(1)
loss2 = y2.exp().mean() / 10
loss = loss1 + 0.5 * loss2
dy1 = 2 * y1
dy2 = 0.5 * y2.exp() / 60
dV = h.T @ dy1
dh = dy1 @ V.T + dy2[:, None]
dpre = dh * (h > 0)
dW = x.T @ dpre
"""


def test_a_contribution_that_is_computed_and_left_out_is_missed(check):
    assert {row.verdict for row in check(TERMS).rows if row.hand} <= {"exact", "rounding"}
    report = check(TERMS.replace(" + dy2[:, None]", ""))
    (row,) = [row for row in report.rows if row.blame == "root"]
    assert (row.hand, row.place.line) == ("dh", 15)
    assert row.message == "dh lacks the contribution through y2."


def test_of_gradients_of_one_term_alone_nothing_is_missed(check):
    code = TERMS.replace(" + dy2[:, None]", "").replace("dy2 = 0.5 * y2.exp() / 60\n", "")
    assert {row.verdict for row in check(code).rows if row.hand} <= {"exact", "rounding"}
