"""Notes on training: steps up a loss, gradients never reset, updates that come too early."""

import pytest

LINEAR = """
import torch
torch.manual_seed(0)
W = torch.randn(3, 5)
b = torch.randn(5)
for step in range(4):
    x = torch.randn(4, 3)
    a = x @ W + b
    loss = (a**2).mean()
    da = 2 * a / a.numel()
    dW = x.T @ da
    db = da.sum(0)
    W -= 0.1 * dW
    b -= 0.1 * db
"""
GROWS = """
import torch
torch.manual_seed(0)
W = torch.randn(3, 5)
dW = torch.zeros(3, 5)
for step in range(4):
    x = torch.randn(4, 3)
    a = x @ W
    loss = (a**2).mean()
    da = 2 * a / a.numel()
    dW += x.T @ da
    W -= 0.1 * dW
"""
DEEP = """
import torch
torch.manual_seed(0)
W1 = torch.randn(3, 5)
W2 = torch.randn(5, 2)
for step in range(4):
    x = torch.randn(4, 3)
    h = torch.tanh(x @ W1)
    out = h @ W2
    loss = (out**2).mean()
    dout = 2 * out / out.numel()
    dW2 = h.T @ dout
    dh = dout @ W2.T
    W2 -= 0.1 * dW2
    dW1 = x.T @ (dh * (1 - h**2))
    W1 -= 0.1 * dW1
"""
LAYER = """
import torch
torch.manual_seed(0)
class Linear:
    def __init__(self):
        self.W = torch.randn(3, 5)
        self.dW = torch.zeros(3, 5)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW += self.x.T @ dout
        return dout @ self.W.T
    def reset(self):
        self.dW = torch.zeros_like(self.dW)
    def step(self, lr):
        self.W -= lr * self.dW
layer = Linear()
for step in range(4):
    out = layer.forward(torch.randn(4, 3))
    loss = (out**2).mean()
    layer.reset()
    layer.backward(2 * out / out.numel())
    layer.step(0.1)
"""
UP = (
    "HG224",
    "`{}` adds a multiple of {}, the gradient of loss by {}: this step makes loss larger. A step "
    "down subtracts it.",
)
GROWN = (
    "HG225",
    "`{}` adds to what {} holds from the step before: nothing sets it to 0 after `{}`.",
)
EARLY = (
    "HG226",
    "`{}` changes {} before {}, which reads {} as the loss used it, is computed (line {}): move "
    "the update below.",
)


def note(kind, line, *words):
    code, message = kind
    return code, line, message.format(*words)


NOTED = [
    (LINEAR, "W -= 0.1 * dW", "W += 0.1 * dW", note(UP, 13, "W += 0.1 * dW", "dW", "W")),
    (LINEAR, "W -= 0.1 * dW", "W = W + 0.1 * dW", note(UP, 13, "W = W + 0.1 * dW", "dW", "W")),
    (LINEAR, "b -= 0.1 * db", "b.data += 0.1 * db",
     note(UP, 14, "b.data += 0.1 * db", "db", "b")),
    (LINEAR, "b -= 0.1 * db", "b.add_(db, alpha=0.1)",
     note(UP, 14, "b.add_(db, alpha=0.1)", "db", "b")),
    (LINEAR, "b -= 0.1 * db", "b -= -0.1 * db", note(UP, 14, "b -= -0.1 * db", "db", "b")),
    (GROWS, "", "", note(GROWN, 11, "dW += x.T @ da", "dW", "W -= 0.1 * dW")),
    (GROWS, "dW += x", "dW = dW + x", note(GROWN, 11, "dW = dW + x.T @ da", "dW", "W -= 0.1 * dW")),
    (LAYER, "    layer.reset()\n", "",
     note(GROWN, 12, "self.dW += self.x.T @ dout", "dW", "self.W -= lr * self.dW")),
    (DEEP, "dh = dout @ W2.T\n    W2 -= 0.1 * dW2", "W2 -= 0.1 * dW2\n    dh = dout @ W2.T",
     note(EARLY, 13, "W2 -= 0.1 * dW2", "W2", "dh", "W2", 14)),
    (DEEP, "dh = dout @ W2.T\n    W2 -= 0.1 * dW2", "W2 = W2 - 0.1 * dW2\n    dh = dout @ W2.T",
     note(EARLY, 13, "W2 = W2 - 0.1 * dW2", "W2", "dh", "W2", 14)),
]  # fmt: skip


CODES = ("HG224", "HG225", "HG226")


@pytest.mark.parametrize(("code", "old", "new", "expected"), NOTED)
def test_a_step_that_cannot_train_is_noted(check, code, old, new, expected):
    notes = check(code.replace(old, new) if old else code).notes
    noted = [(n.code, n.place.line, n.message) for n in notes if n.code in CODES]
    assert noted == [expected]


SILENT = {
    "down": (LINEAR, "", ""),
    "minus the rate": (LINEAR, "W -= 0.1 * dW", "W += -0.1 * dW"),
    "a negative rate": (LINEAR, "W -= 0.1 * dW", "lr = -0.1\n    W = W + lr * dW"),
    "alpha": (LINEAR, "W -= 0.1 * dW", "W.add_(dW, alpha=-0.1)"),
    "up an objective": (
        LINEAR.replace("W -=", "W +=").replace("b -=", "b +="), "loss", "log_likelihood"),
    "minus the gradients": (
        LINEAR.replace("W -=", "W +=").replace("b -=", "b +="), "da = 2 * a", "da = -2 * a"),
    "an adversarial example": (
        LINEAR, "db = da.sum(0)\n    W -= 0.1 * dW\n    b -= 0.1 * db",
        "db = da.sum(0)\n    dx = da @ W.T\n    x = x + 0.1 * dx"),
    "momentum": (
        LINEAR, "W -= 0.1 * dW", "v = 0.9 * v - 0.1 * dW if step else -0.1 * dW\n    W += v"),
    "momentum in place": (
        GROWS.replace("dW += x.T @ da", "v *= 0.9\n    v += x.T @ da"), "dW", "v"),
    "adam": (
        LINEAR.replace("for step", "m, v = 0 * W, 0 * W\nfor step"), "W -= 0.1 * dW",
        "m = 0.9 * m + 0.1 * dW\n    v = 0.99 * v + 0.01 * dW**2\n"
        "    W -= 0.1 * m / (v.sqrt() + 1e-8)"),
    "reset after": (GROWS, "W -= 0.1 * dW", "W -= 0.1 * dW\n    dW.zero_()"),
    "reset before": (GROWS, "dW +=", "dW[:] = 0\n    dW +="),
    "new each step": (GROWS, "dW +=", "dW = torch.zeros(3, 5)\n    dW +="),
    "several batches": (
        GROWS, "W -= 0.1 * dW", "if step % 2:\n        W -= 0.1 * dW\n        dW.zero_()"),
    "a layer": (LAYER, "", ""),
    "squares that add up": (
        LINEAR.replace("for step", "c = 0 * W\nfor step"), "W -= 0.1 * dW",
        "c += dW**2\n    W -= 0.1 * dW / (c.sqrt() + 1e-8)"),
    "an order that holds": (DEEP, "", ""),
    "an early update that nothing reads": (
        LINEAR, "db = da.sum(0)\n    W -= 0.1 * dW", "W -= 0.1 * dW\n    db = da.sum(0)"),
}  # fmt: skip


@pytest.mark.parametrize("name", SILENT)
def test_nothing_is_said_of_a_step_that_trains(check, name):
    code, old, new = SILENT[name]
    report = check(code.replace(old, new) if old else code)
    assert [n.code for n in report.notes if n.code in CODES] == []
    assert report.ok
