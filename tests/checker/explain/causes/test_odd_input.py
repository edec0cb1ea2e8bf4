"""Causes on what is hardly ever differentiated: none may raise, whatever it says."""

import pytest

from handgrad.checker.explain import explain

HEAD = "torch.manual_seed(0)\n"
PROGRAMS = {
    "a number": ("x = torch.tensor(2.0, requires_grad=True)\nloss = x * x\ndx = x", "dx"),
    "nothing": (
        "x = torch.randn(0, 3, requires_grad=True)\ny = x * 2\nloss = (y * y).sum() + 1\n"
        "dy = 2 * y\ndx = dy.sum(0)",
        "dx",
    ),
    "one row": (
        "x = torch.randn(1, 4, requires_grad=True)\nm = x.mean(0, keepdim=True)\nd = x - m\n"
        "loss = (d * d).sum() + (x * x).sum()\ndd = 2 * d\ndm = -dd.sum(0, keepdim=True)\n"
        "dx = dd + dm + x",
        "dx",
    ),
    "one column": (
        "x = torch.randn(5, 1, requires_grad=True)\ny = torch.softmax(x, 1)\n"
        "loss = (y * x).sum()\ndy = x\ndx = dy",
        "dx",
    ),
    "integers beside": (
        "k = torch.arange(4)\nx = torch.randn(4, requires_grad=True)\ny = x[k // 2] * k\n"
        "loss = y.sum()\ndy = torch.ones_like(y)\ndx = torch.zeros_like(x)\ndx[k // 2] = dy",
        "dx",
    ),
    "half precision": (
        "x = torch.randn(3, 4, dtype=torch.float16, requires_grad=True)\ny = x.relu()\n"
        "loss = y.sum()\ndy = torch.ones_like(y)\ndx = dy * 3",
        "dx",
    ),
    "not a number": (
        "x = torch.tensor([1.0, float('nan'), 2.0], requires_grad=True)\ny = x * x\n"
        "loss = y.sum()\ndy = torch.ones_like(y)\ndx = x * dy",
        "dx",
    ),
    "complex numbers": (
        "x = torch.randn(3, requires_grad=True)\nz = torch.complex(x, x)\ny = z.abs()\n"
        "loss = y.sum()\ndy = torch.ones_like(y)\ndx = dy",
        "dx",
    ),
    "a while loop": (
        "x = torch.randn(3, requires_grad=True)\nloss = (x * x).sum()\ni = 0\n"
        "dx = torch.zeros_like(x)\nwhile i < 2:\n    dx += x[0] * i\n    i += 1",
        "dx",
    ),
    "in a function": (
        "x = torch.randn(3, requires_grad=True)\nloss = (x * x).sum()\n"
        "def back(x):\n    for i in range(2):\n        dx = x * i\n    return dx\ndx = back(x)",
        "dx",
    ),
    "max_pool": (
        "x = torch.ones(1, 1, 4, 4, requires_grad=True)\ny = F.max_pool2d(x, 2)\n"
        "loss = (y * 2).sum()\ndy = torch.full_like(y, 2.0)\ndx = torch.ones_like(x) * 0.5",
        "dx",
    ),
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_no_cause_raises(explained, monkeypatch, kind) -> None:
    asked = []

    def find(cause, suspect):
        asked.append(cause.code)
        return cause.find(suspect)

    monkeypatch.setattr(explain, "_found", find)
    source, hand = PROGRAMS[kind]
    assert explained(f"{HEAD}{source}\n", hand).hand == hand
    assert asked
