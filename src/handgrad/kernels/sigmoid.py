"""Sigmoid on given memory, any shape. Specification: layers/sigmoid.py."""

from typing import Any

from handgrad.kernels.exponential import sigmoid
from handgrad.kernels.jit import flat, kernel
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.team import numbers_of

NODES = ("h",)


def memory(hpreact: Shape) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    return {"h": hpreact}


@kernel
def forward(hpreact: Any, h: Any, thread: int, team: Any) -> None:
    x, out = flat(hpreact), flat(h)
    begin, end = numbers_of(h, thread, team)
    for i in range(begin, end):
        out[i] = sigmoid(x[i])


@kernel
def backward(dh: Any, h: Any, dhpreact: Any, thread: int, team: Any) -> None:
    """Compute dhpreact = dh h (1 - h)."""
    one = h.dtype.type(1)
    dout, out, dx = flat(dh), flat(h), flat(dhpreact)
    begin, end = numbers_of(h, thread, team)
    for i in range(begin, end):
        dx[i] = dout[i] * (out[i] * (one - out[i]))
