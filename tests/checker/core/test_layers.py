"""Layers, containers and updates: gradients that have a place instead of a telling name."""

import pytest

from checker.core import programs_of_layers, programs_of_more_layers, programs_of_updates
from checker.core.mistakes_in_layers import HANDS, MISTAKES

HEAD = """\
import torch
import torch.nn.functional as F
torch.manual_seed(0)
"""
RIGHT = {
    **programs_of_layers.PROGRAMS,
    **programs_of_more_layers.PROGRAMS,
    **programs_of_updates.PROGRAMS,
}


@pytest.mark.parametrize("name", RIGHT)
def test_gradients_that_are_right_are_called_right(check, name):
    report = check(HEAD + RIGHT[name])
    rows = [row for row in report.rows if row.hand]
    assert {row.verdict for row in rows} <= {"exact", "rounding"}
    assert sorted({f"{row.hand}:{row.node}" for row in rows}) == HANDS[name]
    assert {note.code for note in report.notes} <= {"HG214", "HG208"}


@pytest.mark.parametrize(("name", "old", "new", "hand", "message", "fix"), MISTAKES)
def test_a_mistake_is_named_at_its_line(check, name, old, new, hand, message, fix):
    report = check(HEAD + RIGHT[name].replace(old, new, 1))
    (row,) = [row for row in report.rows if row.blame == "root"]
    assert new in row.statement
    assert (row.hand, row.message, row.fix) == (hand, message, fix)


TANH = """
class Linear:
    def __init__(self, n_in, n_out):
        self.W, self.b = torch.randn(n_in, n_out), torch.randn(n_out)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(0)
        return dout @ self.W.T
class Tanh:
    def forward(self, x):
        self.y = torch.tanh(x)
        return self.y
    def backward(self, dout):
        return dout * (1 - self.y)
layers = [Linear(5, 8), Tanh(), Linear(8, 3)]
x, t = torch.randn(6, 5), torch.randn(6, 3)
out = x
for layer in layers:
    out = layer.forward(out)
loss = ((out - t)**2).mean()
grad = 2 * (out - t) / out.numel()
for layer in reversed(layers):
    grad = layer.backward(grad)
"""


def test_what_a_layer_returns_is_judged_and_the_next_layer_is_not_blamed_for_it(check):
    assert (
        check(HEAD + TANH).to_text()
        == """\
it

Lines to blame
  ✗ Tanh.backward()   of out   line 20   f32[6,8]
      return dout * (1 - self.y)
      The derivative in `self.y = torch.tanh(x)` is 1 - self.y**2; dout is multiplied by something
      else. [HG109]
      try: return dout * (1 - self.y**2)    (checked: correct up to rounding)
      to blame for 3 others: dW, db, grad

Right
  ≈ grad  of out  line 27  f32[6,3]  correct up to rounding

5 gradients by hand: 1 correct up to rounding, 4 wrong (1 line to blame).
"""
    )
    right = check(HEAD + TANH.replace("(1 - self.y)", "(1 - self.y**2)"))
    assert right.ok
    assert [row.hand for row in right.rows] == ["grad", "dW", "db", "grad"]
