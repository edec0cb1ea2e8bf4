"""Add on given memory: out = x + y, any shape. Specification: layers/add.py."""

from typing import Any

from handgrad.kernels.jit import flat, kernel
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.sums import put
from handgrad.kernels.team import numbers_of

NODES = ("out",)
ADDS = ("x", "y")


def memory(x: Shape, y: Shape) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    return {"out": x}


@kernel
def forward(x: Any, y: Any, out: Any, thread: int, team: Any) -> None:
    first, second, total = flat(x), flat(y), flat(out)
    begin, end = numbers_of(out, thread, team)
    for i in range(begin, end):
        total[i] = first[i] + second[i]


@kernel
def backward(dout: Any, dx: Any, dy: Any, add_x: bool, add_y: bool, thread: int, team: Any) -> None:
    put(dout, dx, add_x, thread, team)
    put(dout, dy, add_y, thread, team)
