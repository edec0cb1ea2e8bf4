"""Gradients that have more than one right form, and loops that are not what they seem."""

import pytest

POOLING = """\
import numpy as np
np.random.seed(0)
x, t = np.random.randn(2, 3, 4, 4), np.array([1, 0])
W, b = np.random.randn(12, 3) * 0.1, np.zeros(3)
a = np.maximum(0, x)
windows = a.reshape(2, 3, 2, 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(-1, 4)
best = windows.argmax(axis=1)
pooled = windows.max(axis=1)
flat = pooled.reshape(2, 12)
z = flat @ W + b
e = np.exp(z - z.max(axis=1, keepdims=True))
p = e / e.sum(axis=1, keepdims=True)
loss = -np.sum(np.log(p[np.arange(2), t] + 1e-7)) / 2
dz = p.copy()
dz[np.arange(2), t] -= 1
dz = dz / 2
dW = flat.T @ dz
db = dz.sum(axis=0)
dflat = dz @ W.T
dwindows = np.zeros_like(windows)
dwindows[np.arange(best.size), best] = dflat.flatten()
da = dwindows.reshape(2, 3, 2, 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(x.shape)
dx = da * (x > 0)
"""
HEADS = """\
import torch
torch.manual_seed(0)

class Linear:
    def __init__(self, n):
        self.W = torch.randn(n, n)
    def __call__(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW = self.x.reshape(-1, self.x.shape[-1]).T @ dout.reshape(-1, dout.shape[-1])
        return dout @ self.W.T

query, key = Linear(6), Linear(6)
x = torch.randn(2, 5, 6)
q = query(x).reshape(2, 5, 2, 3).transpose(1, 2)
k = key(x).reshape(2, 5, 2, 3).transpose(1, 2)
scores = q @ k.transpose(-1, -2)
loss = (scores**2).sum()
dscores = 2 * scores
dq = dscores @ k
dk = dscores.transpose(-1, -2) @ q
dq = dq.transpose(1, 2).reshape(2, 5, 6)
dk = dk.transpose(1, 2).reshape(2, 5, 6)
dx = query.backward(dq) + key.backward(dk)
"""
MOMENTS = """\
import numpy as np
np.random.seed(0)
params = {"W": np.random.randn(3, 4), "b": np.zeros(4)}
grad_mems = {name: np.zeros_like(value) for name, value in params.items()}
squares = {name: np.zeros_like(value) for name, value in params.items()}
X, t = np.random.randn(30, 3), np.random.randint(4, size=30)
for step in range(50):
    rows = np.arange(5) + 5 * (step % 6)
    z = X[rows] @ params["W"] + params["b"]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(5), t[rows]]).mean()
    dz = p.copy()
    dz[np.arange(5), t[rows]] -= 1
    grads = {"W": X[rows].T @ dz, "b": dz.sum(axis=0)}
    for name in params:
        g = grads[name] / 5
        grad_mems[name] = 0.9 * grad_mems[name] + 0.1 * g
        squares[name] = 0.99 * squares[name] + 0.01 * g * g
        params[name] -= 0.1 * grad_mems[name] / (np.sqrt(squares[name]) + 1e-8)
"""
SUMMED = """\
import torch
torch.manual_seed(0)
x, W, gain = torch.randn(5, 3), torch.randn(3, 2), torch.randn(1, 2)
z = x @ W
y = gain * z
loss = (y**2).sum()
dy = 2 * y
dgain = z * dy
dgain = dgain.sum(dim=0, keepdim=True)
dz = gain * dy
dW = x.T @ dz
"""
PUT_IN = """\
import numpy as np
rng = np.random.default_rng(0)
params = {"emb": np.zeros((6, 3)), "pos": np.zeros((4, 3))}
for name in params:
    params[name][...] = rng.normal(size=params[name].shape) * 0.3
ids, target = np.array([1, 0, 1, 5]), np.array([0, 1, 5, 2])
x = params["emb"][ids] + params["pos"]
logits = x @ params["emb"].T
e = np.exp(logits - logits.max(axis=1, keepdims=True))
p = e / e.sum(axis=1, keepdims=True)
loss = -np.log(p[np.arange(4), target]).mean()
dlogits = p.copy()
dlogits[np.arange(4), target] -= 1
dlogits /= 4
grads = {"emb": dlogits.T @ x}
dx = dlogits @ params["emb"]
np.add.at(grads["emb"], ids, dx)
grads["pos"] = dx.copy()
"""
MASKS = """\
import numpy as np
rng = np.random.default_rng(3)
x, W, t = rng.normal(size=(6, 4)), rng.normal(size=(4, 2)), rng.normal(size=(6, 2))
mask = (rng.random((6, 4)) < 0.6) / 0.6
counts = np.array([1, 2, 3, 4, 2, 1])
weights = counts / counts.sum() + counts * 0.5
y = (x * mask) @ W
loss = ((y - t) ** 2 * weights[:, None]).sum()
dy = 2 * (y - t) * weights[:, None]
dW = (x * mask).T @ dy
dx = dy @ W.T * mask
"""
RIGHT = {
    "whole numbers in float64": MASKS,
    "numbers put in": PUT_IN,
    "summed afterwards": SUMMED,
    "pooling over zeros": POOLING,
    "heads laid out anew": HEADS,
    "moments": MOMENTS,
}
WRONG = {
    "whole numbers in float64": ("dy @ W.T * mask", "dy @ W.T", None),
    "numbers put in": ("dlogits.T @ x", "dlogits.T @ x * 2", None),
    "summed afterwards": (
        "dgain.sum(dim=0, keepdim=True)",
        "dgain.sum(dim=1, keepdim=True)",
        "This line gives shape (1, 1); gain has shape (1, 2).",
    ),
    "pooling over zeros": ("dx = da * (x > 0)", "dx = da * (x < 0)", "The mask is inverted."),
    "heads laid out anew": ("dq = dscores @ k", "dq = dscores @ k / 2", "Off by the factor 1 / 2."),
    "moments": ("X[rows].T @ dz", "X[:5].T @ dz", None),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients_are_called_right(check, name):
    report = check(RIGHT[name])
    assert {row.verdict for row in report.rows if row.hand} <= {"exact", "rounding"}
    assert [row.hand for row in report.rows if row.blame] == []


@pytest.mark.parametrize("name", RIGHT)
def test_a_mistake_is_named(check, name):
    old, new, message = WRONG[name]
    assert old in RIGHT[name]
    report = check(RIGHT[name].replace(old, new, 1))
    rows = [row for row in report.rows if row.blame == "root"]
    assert rows
    assert all(new in row.statement for row in rows)
    assert message in (*(row.message for row in rows), None)


PARAMETERS = """\
import torch
torch.manual_seed(0)
W, b = torch.randn(3, 2), torch.zeros(2)
X, t = torch.randn(40, 3), torch.randn(40, 2)
for step in range(100):
    rows = torch.arange(5) + 5 * (step % 8)
    y = X[rows] @ W + b
    loss = ((y - t[rows])**2).sum()
    dy = 2 * (y - t[rows])
    dW = X[:5].T @ dy
    db = dy.sum(0)
    grads = [dW, db]
    for p, grad in zip([W, b], grads):
        p.data += -0.01 * grad
"""


def test_a_loop_over_parameters_is_no_training_loop(check):
    """Only the second step shows the mistake: the first one has the rows that the slip reads."""
    report = check(PARAMETERS)
    assert [row.hand for row in report.rows if row.blame == "root"] == ["dW"]
    (note,) = [note for note in report.notes if note.code == "HG214"]
    assert note.place.line == 5
