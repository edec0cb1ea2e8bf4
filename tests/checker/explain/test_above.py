"""Lines above those that are wrong, which are to blame for them; indices in the reader's names."""

import pytest

from checker.sessions import run_all
from handgrad.checker.session import Session

NET = """import numpy as np
class Net:
    def __init__(self, rng):
        self.V = rng.randn(3, 5)
        self.U = rng.randn(5, 2)
    def forward(self, x):
        self.x = x
        self.z = x @ self.V
        self.h = np.tanh(self.z)
        return self.h @ self.U
    def backward(self, y):
        out = self.h @ self.U
        d = 2 * (out - y) / y.size
        self.dU = self.h.T @ d
        dz = d @ self.U.T * (1 - self.h**2)
        self.dV = self.x.T @ dz
rng = np.random.RandomState(0)
net, x, y = Net(rng), rng.randn(6, 3), rng.randn(6, 2)
loss = np.mean((net.forward(x) - y) ** 2)
net.backward(y)
"""
MASK = """import torch
torch.manual_seed(0)
x, y = torch.randn(7, 4), torch.randn(7, 2)
P = {"A": torch.randn(4, 5, requires_grad=True), "B": torch.randn(5, 2, requires_grad=True)}
z = x @ P["A"]
r = z.clamp(min=0)
e = r @ P["B"] - y
loss = (e**2).sum()
loss.backward()
G = {}
q = 2 * e
G["B"] = r.T @ q
q = q @ P["B"].T
q[z <= 0] = 0
G["A"] = x.T @ q
"""
STEPS = """import numpy as np
np.random.seed(0)
Wx, Wh = np.random.randn(3, 4), np.random.randn(4, 4)
xs, ts = np.random.randn(5, 3), np.random.randn(5, 4)
hs, loss = {-1: np.zeros(4)}, 0.0
for t in range(5):
    hs[t] = np.tanh(xs[t] @ Wx + hs[t - 1] @ Wh)
    loss += np.sum((hs[t] - ts[t]) ** 2)
dWx, dWh, carry = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4)
for t in reversed(range(5)):
    dh = 2 * (hs[t] - ts[t]) + carry
    dr = dh * (1 - hs[t] ** 2)
    dWx += np.outer(xs[t], dr)
    dWh += np.outer(hs[t - 1], dr)
    carry = Wh @ dr
"""
CASES = [
    (
        NET,
        "d = 2 * (out - y) / y.size",
        "d = 2 * (out - y) / len(y)",
        (13, "HG103", "Off by the factor 2.", "d = (out - y) / len(y)"),
    ),
    (
        NET,
        "self.dU = self.h.T @ d",
        "self.dU = self.z.T @ d",
        (14, "HG107", "self.z is used where self.h belongs.", "self.dU = self.h.T @ d"),
    ),
    (
        NET,
        "dz = d @ self.U.T * (1 - self.h**2)",
        "dz = d @ self.U.T * (1 - self.z**2)",
        (
            15,
            "HG107",
            "self.z is used where self.h belongs.",
            "dz = d @ self.U.T * (1 - self.h**2)",
        ),
    ),
    (
        MASK,
        "q[z <= 0] = 0",
        "q[q <= 0] = 0",
        (
            14,
            "HG109",
            "The mask compares q; it must compare z, a forward value.",
            "q[z <= 0] = 0",
        ),
    ),
    (
        STEPS,
        "dr = dh * (1 - hs[t] ** 2)",
        "dr = dh * (1 - hs[t])",
        (
            12,
            "HG109",
            "The derivative in `hs[t] = np.tanh(xs[t] @ Wx + hs[t - 1] @ Wh)` is 1 - hs[t]**2; dh "
            "is multiplied by something else.",
            "dr = dh * (1 - hs[t]**2)",
        ),
    ),
    (
        STEPS,
        "dWh += np.outer(hs[t - 1], dr)",
        "dWh += np.outer(hs[t], dr)",
        (
            14,
            "HG135",
            "Off by one: use hs[t - 1] instead of hs[t].",
            "dWh += np.outer(hs[t - 1], dr)",
        ),
    ),
]


def blamed(program):
    """Return the lines that the report on a program blames: number, cause, message, correction."""
    session = Session()
    assert run_all(session, program, {}) == []
    rows = session.finish("it").rows
    return [(r.place.line, r.cause, r.message, r.fix) for r in rows if r.blame == "root"]


@pytest.mark.parametrize(("program", "right", "wrong", "told"), CASES)
def test_the_line_is_blamed(program, right, wrong, told) -> None:
    assert blamed(program.replace(right, wrong)) == [told]


@pytest.mark.parametrize("program", [NET, MASK, STEPS])
def test_the_correct_program_is_not_blamed(program) -> None:
    assert blamed(program) == []
