"""What an explanation runs again leaves everything of the user's as it was."""

import random

import numpy
import pytest
import torch
import torch.nn.functional as F

from checker.sessions import run
from handgrad.checker.session import Session

PROGRAM = """
torch.manual_seed(0)
calls = []
class Layer:
    seen = 0
    def __init__(self, V):
        self.V, self.log = V, []
    @property
    def twice(self):
        calls.append("property")
        return 2
    def note(self, t):
        calls.append("method")
        return t
    def __getattr__(self, name):
        calls.append(name)
        raise AttributeError(name)
class Number:
    def __rmul__(self, other):
        calls.append("operator")
        return other
def own(t):
    calls.append("function")
    print("called")
    return t
x = torch.randn(8, 5)
W = (torch.randn(5, 6) * 0.5).requires_grad_()
V = (torch.randn(6, 4) * 0.5).requires_grad_()
layer, one, steps = Layer(V), Number(), iter(range(1000))
running, counts = torch.zeros(6), torch.zeros(6, dtype=torch.int64)
array = numpy.zeros(3)
z = x @ W
h = torch.tanh(z)
out = h @ V
loss = (out**2).mean()
loss.backward()
dout = 2 * out / out.numel()
grads, history = {}, []
with torch.no_grad():
    dh = dout @ V.T
    dV = torch.zeros_like(V)
"""
LINES = [
    "dz = own(1 + h**2) * dh",
    "dz = layer.note(1 + h**2) * dh",
    "dz = (1 + h**2) * dh * layer.twice / 2",
    "dz = (1 + h**2) * dh * one",
    "dz = (1 + h**2) * dh * (next(steps) + 1)",
    "dz = (1 + h**2) * dh + 0 * torch.randn(8, 6)",
    "dz = (1 + h**2) * dh + 0 * torch.rand_like(h)",
    "dz = F.dropout(1 + h**2, 0.0) * dh",
    "dz = (1 + h**2) * dh + 0 * running.add_(1)",
    "dz = (1 + h**2) * dh + 0 * counts.add_(1)",
    "dz = torch.add(h**2, 1, out=running.new_empty(8, 6)) * dh",
    "grads['z'] = (1 + h**2) * dh",
    "layer.dz = (1 + h**2) * dh",
    "for i in range(8): dV += 2 * h[i, :, None] * dout[i]; running += h[i]; counts[0] += 1",
    "for i in range(8): history.append(i); dV += 2 * h[i, :, None] * dout[i]",
    "for i in range(8): array[0] += 1; dV += 2 * h[i, :, None] * dout[i]",
    "for i in range(8): layer.seen += 1; dV += 2 * h[i, :, None] * dout[i]",
]


def state(names):
    """Return everything that a line run again might change."""
    tensors = {k: v.detach().clone() for k, v in names.items() if isinstance(v, torch.Tensor)}
    layer = names["layer"]
    held = {k: v for k, v in vars(layer).items() if not isinstance(v, torch.Tensor)}
    plain = (list(names["calls"]), list(names["history"]), list(names["grads"]), held, layer.seen)
    legacy = numpy.random.get_state()[1].copy()  # noqa: NPY002 - what a user's file may draw from
    drawn = (torch.get_rng_state(), random.getstate(), legacy)
    return tensors, repr(plain), names["array"].copy(), drawn, set(names)


def recorded(line):
    """Return a session that has recorded the program with that line, and the program's names."""
    source = f"{PROGRAM}    {line}\n"
    session = Session()
    names = {"torch": torch, "F": F, "numpy": numpy, "__name__": "__main__"}
    run(session, source, names)
    return session, names


@pytest.mark.parametrize("line", LINES)
def test_nothing_of_the_users_is_touched(line, capsys) -> None:
    session, names = recorded(line)
    capsys.readouterr()
    before = state(names)
    dtype, enabled = torch.get_default_dtype(), torch.is_grad_enabled()
    report = session.finish("program.py")
    after = state(names)
    assert any(row.blame == "root" for row in report.rows)
    for name, value in before[0].items():
        assert torch.equal(value, after[0][name]), name
    assert before[1] == after[1]
    assert (before[2] == after[2]).all()
    assert torch.equal(before[3][0], after[3][0])
    assert before[3][1] == after[3][1]
    assert (before[3][2] == after[3][2]).all()
    assert before[4] == after[4]
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (dtype, enabled)
    assert next(names["steps"]) == (1 if "next" in line else 0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        ("dz = own(1 + h**2) * dh", False),
        ("dz = (1 + h**2) * dh * one", False),
        ("grads['z'] = (1 + h**2) * dh", True),
        ("layer.dz = (1 + h**2) * dh", True),
    ],
)
def test_what_calls_the_users_own_code_is_not_corrected_by_running_it(line, fix) -> None:
    rows = recorded(line)[0].finish("program.py").rows
    row = next(r for r in rows if r.node == "z")
    assert (row.fix == line.replace("+ h", "- h")) is fix
