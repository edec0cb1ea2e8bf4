"""ReLU on given memory, any shape. Specification: layers/relu.py."""

from typing import Any

from handgrad.kernels.jit import flat, kernel
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.team import numbers_of

NODES = ("h",)


def memory(hpreact: Shape) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    return {"h": hpreact}


@kernel
def forward(hpreact: Any, h: Any, thread: int, team: Any) -> None:
    zero = h.dtype.type(0)
    x, out = flat(hpreact), flat(h)
    begin, end = numbers_of(h, thread, team)
    for i in range(begin, end):
        out[i] = zero if x[i] < zero else x[i]  # keeps NaN


@kernel
def backward(dh: Any, h: Any, dhpreact: Any, thread: int, team: Any) -> None:
    """Compute dhpreact = dh where h is positive, else 0."""
    zero = h.dtype.type(0)
    dout, out, dx = flat(dh), flat(h), flat(dhpreact)
    begin, end = numbers_of(h, thread, team)
    for i in range(begin, end):
        dx[i] = zero if out[i] <= zero else dout[i]
