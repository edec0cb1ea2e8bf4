"""Tanh on given memory, any shape. Specification: layers/tanh.py."""

from typing import Any

from handgrad.kernels.exponential import tanh
from handgrad.kernels.jit import flat, kernel
from handgrad.kernels.shapes import Shape, Shapes

NODES = ("h",)


def memory(hpreact: Shape) -> Shapes:
    """What a call needs beside its inputs and their gradients."""
    return {"h": hpreact}


@kernel
def forward(hpreact: Any, h: Any) -> None:
    x, out = flat(hpreact), flat(h)
    for i in range(x.size):
        out[i] = tanh(x[i])


@kernel
def backward(dh: Any, h: Any, dhpreact: Any) -> None:
    """dhpreact = dh (1 - h**2)."""
    one = h.dtype.type(1)
    dout, out, dx = flat(dh), flat(h), flat(dhpreact)
    for i in range(out.size):
        dx[i] = dout[i] * (one - out[i] * out[i])
