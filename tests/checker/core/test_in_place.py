"""Gradients that are finished in place: set, scaled, masked, clipped."""

import pytest

from checker.core.conftest import named
from handgrad.checker.records import Place

CLOSED_FORM = """
import torch
import torch.nn.functional as F
torch.manual_seed(0)
n = 12
x = torch.randn(n, 4)
W = torch.randn(4, 6, requires_grad=True)
V = torch.randn(6, 5, requires_grad=True)
y = torch.randint(0, 5, (n,))
a = x @ W
h = torch.relu(a)
logits = h @ V
loss = F.cross_entropy(logits, y)
loss.backward()
dlogits = F.softmax(logits, 1)
dlogits[range(n), y] -= 1
dlogits /= n
da = dlogits @ V.T
da[a <= 0] = 0
dW = x.T @ da
"""
CLOSED_FORM_FAULTS = [
    ("F.softmax(logits, 1)", "F.softmax(logits, 0)", "dlogits", 15),
    ("-= 1", "-= 2", "dlogits", 16),
    ("-= 1", "+= 1", "dlogits", 16),
    ("/= n", "/= n - 1", "dlogits", 17),
    ("dlogits @ V.T", "(dlogits + h.mean()) @ V.T", "da", 18),
    ("a <= 0", "a <= 0.5", "da", 19),
    ("a <= 0", "a <= -0.5", "da", 19),
    ("a <= 0", "h < 0", "da", 19),
    ("] = 0", "] = 1", "da", 19),
]


def test_a_factor_forgotten_altogether_is_said(check):
    report = check(CLOSED_FORM.replace("dlogits /= n\n", "pass\n"))
    (row,) = [row for row in report.rows if row.blame == "root"]
    assert (row.hand, row.places) == ("dlogits", (Place(15), Place(16)))
    assert row.message == "All of dlogits is n times the correct gradient."
    assert (row.fix, row.fix_at, row.fix_adds) == ("dlogits /= n", Place(16), True)


def test_the_closed_form_in_place_is_right(check):
    assert check(CLOSED_FORM).ok


@pytest.mark.parametrize(("old", "new", "hand", "line"), CLOSED_FORM_FAULTS)
def test_of_statements_in_place_the_one_at_fault_is_named(check, old, new, hand, line):
    report = check(CLOSED_FORM.replace(old, new))
    assert named(report) == {hand: line}
    assert [r.places for r in report.rows if r.blame == "root"] == [(Place(line),)]


CLIPPED = """
import torch
torch.manual_seed(0)
x = torch.randn(8, 3)
W = torch.randn(3, 4, requires_grad=True)
b = torch.randn(4, requires_grad=True)
h = x @ W + b
loss = (h**2).sum()
loss.backward()
dh = 2 * h
dW = x.T @ dh
db = dh.sum(0)
"""
CLIPPINGS = {
    "for g in [dW, db]:\n    g.clamp_(-1, 1)": "`g.clamp_(-1, 1)`",
    "with torch.no_grad():\n  for g in [dW, db]: torch.clip(g, -1, 1, out=g)": (
        "`torch.clip(g, -1, 1, out=g)`"
    ),
    "norm = dW.norm() + db.norm()\nfor g in [dW, db]:\n    g /= norm": "`g /= norm`",
}


@pytest.mark.parametrize("clipping", CLIPPINGS)
def test_a_gradient_is_graded_as_it_was_before_it_was_clipped(check, clipping):
    report = check(CLIPPED + clipping)
    assert {r.hand: r.verdict for r in report.rows} == {"dh": "exact", "dW": "exact", "db": "exact"}
    (note,) = report.notes
    assert note.message == (
        f"{CLIPPINGS[clipping]} clips or scales dW and db once finished: they are judged as they "
        "were before."
    )


@pytest.mark.parametrize("clipping", CLIPPINGS)
def test_a_clipped_gradient_that_was_wrong_before_is_wrong(check, clipping):
    report = check(CLIPPED.replace("x.T @ dh", "x.T @ dh / 8") + clipping)
    assert named(report) == {"dW": 11}


@pytest.mark.parametrize("scaled", ["dW /= 8", "dW = dW / 8", "dW.mul_(2)"])
def test_scaling_a_right_gradient_is_a_mistake(check, scaled):
    report = check(CLIPPED + scaled)
    assert named(report) == {"dW": 13}


UPDATED = """
import torch
torch.manual_seed(0)
x = torch.randn(8, 4)
W = torch.randn(4, 3, requires_grad=True)
V = torch.randn(3, 3, requires_grad=True)
for step in range(4):
    h = torch.tanh(x @ W)
    out = h @ V
    loss = (out**2).mean()
    loss.backward()
    with torch.no_grad():
        dout = 2 * out / out.numel()
        dh = dout @ V.T
        dV = h.T @ dout
        dW = x.T @ ((1 - h**2) * dh)
        for p, g in zip([W, V], [dW, dV]):
            p -= 0.1 * g
"""


def test_a_view_of_a_parameter_that_is_updated_afterwards_is_no_obstacle(check):
    report = check(UPDATED)  # of V.T, made under no_grad, torch does not even say is_leaf then
    assert {row.hand for row in report.rows} == {"dout", "dh", "dV", "dW"}
    assert {row.verdict for row in report.rows} <= {"exact", "rounding"}


USED = {
    "reset": "W.data -= 0.1 * dW\ndW.zero_()",
    "reset by name in a loop": "W.data -= 0.1 * dW\nfor g in [dW, db]: g.zero_()",
    "reset in a function": "def zero(g): g.fill_(0)\nW.data -= 0.1 * dW\nzero(dW)",
    "reset by an index": "W.data -= 0.1 * dW\ndW[:] = 0",
    "reset by a factor": "W.data -= 0.1 * dW\ndW *= 0",
    "step in place": "dW *= 0.1\nW.data -= dW",
    "step by another name": "for p, g in [(W, dW), (b, db)]:\n    g.mul_(0.1)\n    p.data -= g",
}


@pytest.mark.parametrize("use", USED)
def test_a_gradient_is_graded_as_it_was_before_it_was_made_a_step_or_reset(check, use):
    report = check(CLIPPED + USED[use])
    assert {r.hand: r.verdict for r in report.rows} == {"dh": "exact", "dW": "exact", "db": "exact"}
    assert report.notes == ()


@pytest.mark.parametrize("use", USED)
def test_a_used_gradient_that_was_wrong_before_is_wrong(check, use):
    report = check(CLIPPED.replace("x.T @ dh", "x.T @ (dh + 1)") + USED[use])
    assert named(report) == {"dW": 11}


RESET = """
import torch
W = torch.randn(3, 5)
dW = torch.zeros(3, 5)
for step in range(4):
    x = torch.randn(4, 3)
    h = x @ W
    loss = (h**2).mean()
    dh = 2 * h / h.numel()
    dW += x.T @ dh
    W -= 0.1 * dW
    dW.zero_()
"""


def test_a_buffer_that_each_step_resets_is_graded(check):
    report = check(RESET)
    assert {r.hand: r.verdict for r in report.rows} == {"dh": "rounding", "dW": "rounding"}
    assert named(check(RESET.replace("x.T @ dh", "x.T @ h"))) == {"dW": 10}
