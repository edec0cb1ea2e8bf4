"""Results that are written to a buffer (`out=`), and windows over an array."""

import pytest

OUT_NUMPY = """
import numpy as np
rng = np.random.default_rng(0)
X, y = rng.standard_normal((16, 6)), rng.integers(0, 3, 16)
W1, b1 = rng.standard_normal((6, 8)), np.zeros(8)
W2, b2 = rng.standard_normal((8, 3)), np.zeros(3)
pre, hid = np.empty((16, 8)), np.empty((16, 8))
np.dot(X, W1, out=pre)
np.add(pre, b1, out=pre)
np.maximum(pre, 0, out=hid)
scores = hid.dot(W2) + b2
probs = np.exp(scores - scores.max(axis=1, keepdims=True))
np.divide(probs, probs.sum(axis=1, keepdims=True), out=probs)
loss = -np.log(probs[np.arange(16), y]).mean()
dscores = probs.copy()
dscores[np.arange(16), y] -= 1
np.divide(dscores, 16, out=dscores)
dW2, db2, dhid = np.empty_like(W2), np.empty_like(b2), np.empty_like(hid)
np.dot(hid.T, dscores, out=dW2)
np.sum(dscores, axis=0, out=db2)
np.dot(dscores, W2.T, out=dhid)
np.multiply(dhid, pre > 0, out=dhid)
dW1 = np.dot(X.T, dhid)
db1 = np.add.reduce(dhid, axis=0)
"""
OUT_TORCH = """
import torch
torch.manual_seed(0)
X, Y = torch.randn(16, 6), torch.randn(16, 8)
W1 = torch.randn(6, 8)
pre, hid = torch.empty(16, 8), torch.empty(16, 8)
torch.mm(X, W1, out=pre)
torch.tanh(pre, out=hid)
loss = ((hid - Y) ** 2).sum()
dhid = 2 * (hid - Y)
dpre = torch.empty_like(pre)
torch.mul(dhid, 1 - hid ** 2, out=dpre)
dW1 = torch.mm(X.T, dpre)
"""
WINDOWS = """
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
rng = np.random.default_rng(2)
x, k = rng.standard_normal((2, 3, 7, 6)), rng.standard_normal((4, 3, 3, 2))
windows = sliding_window_view(x, (3, 2), axis=(-2, -1))
conv = np.einsum("nchwij,fcij->nfhw", windows, k)
act = np.maximum(conv, 0)
loss = (act ** 2).mean()
dact = 2 * act / act.size
dconv = dact * (conv > 0)
dk = np.tensordot(dconv, windows, axes=([0, 2, 3], [0, 2, 3]))
wide = np.pad(dconv, ((0, 0), (0, 0), (2, 2), (1, 1)))
dx = np.einsum("nfhwij,fcij->nchw", sliding_window_view(wide, (3, 2), axis=(2, 3)), k[:, :, ::-1, ::-1])
"""  # noqa: E501
PROGRAMS = {
    "out=, NumPy": (OUT_NUMPY, {"dscores", "dW2", "db2", "dhid", "dW1", "db1"}),
    "out=, torch": (OUT_TORCH, {"dhid", "dpre", "dW1"}),
    "windows": (WINDOWS, {"dact", "dconv", "dk", "dx"}),
}


@pytest.mark.parametrize(("program", "hands"), PROGRAMS.values(), ids=PROGRAMS)
def test_all_is_right(check, program, hands):
    rows = [row for row in check(program).rows if row.hand]
    assert {row.hand for row in rows} == hands
    assert {row.verdict for row in rows} <= {"exact", "rounding"}


@pytest.mark.parametrize(
    ("program", "was", "now", "hand"),
    [
        (OUT_NUMPY, "np.divide(dscores, 16, ", "np.divide(dscores, 8, ", "dscores"),
        (OUT_NUMPY, "np.dot(hid.T, dscores, out=dW2)", "np.dot(hid.T, probs, out=dW2)", "dW2"),
        (OUT_NUMPY, "np.sum(dscores, axis=0", "np.mean(dscores, axis=0", "db2"),
        (OUT_TORCH, "torch.mul(dhid, 1 - hid ** 2", "torch.mul(dhid, 1 - hid", "dpre"),
        (WINDOWS, "dk = np.tensordot(dconv", "dk = np.tensordot(dact * conv", "dk"),
        (WINDOWS, "k[:, :, ::-1, ::-1]", "k", "dx"),
    ],
)
def test_the_mistake_is_named(check, program, was, now, hand):
    assert was in program
    roots = [row.hand for row in check(program.replace(was, now)).rows if row.blame == "root"]
    assert roots == [hand]
