"""Position embedding on given memory. Specification: layers/position_embedding.py.

x, out (N, C), offsets (B + 1,), P (T, C). Threads share words.
"""

from typing import Any

from handgrad.constants import POSITION_EMBEDDING_NODES
from handgrad.kernels.jit import kernel
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.sums import put
from handgrad.kernels.team import rows_of, share

NODES = POSITION_EMBEDDING_NODES
ADDS = ("x",)


def memory(x: Shape, offsets: Shape, P: Shape) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    return {"out": x}


@kernel
def forward(x: Any, offsets: Any, P: Any, out: Any, thread: int, team: Any) -> None:
    columns = P.shape[1]
    begin, end = share(len(offsets) - 1, 1, thread, team)
    for b in range(begin, end):
        for i in range(offsets[b], offsets[b + 1]):
            row = P[i - offsets[b]]
            for j in range(columns):
                out[i, j] = x[i, j] + row[j]


@kernel
def backward(
    dout: Any, offsets: Any, dx: Any, dP: Any, add_x: bool, thread: int, team: Any
) -> None:
    """Each thread owns positions of dP, and reads all words."""
    put(dout, dx, add_x, thread, team)
    columns = dP.shape[1]
    begin, end = share(len(dP), 1, thread, team)
    dP[begin:end] = 0
    for b in range(len(offsets) - 1):
        first = offsets[b]
        for t in range(begin, min(end, offsets[b + 1] - first)):
            for j in range(columns):
                dP[t, j] += dout[first + t, j]


def carried(x: Shape, offsets: Shape, P: Shape) -> Shapes:
    """Return the memory that `step` carries from character to character: none."""
    return {}


@kernel
def step(x: Any, P: Any, out: Any, t: int, thread: int, team: Any) -> None:
    """Add P[t] to x (B, C), one character of each word."""
    begin, end = rows_of(x, thread, team)
    for b in range(begin, end):
        for j in range(P.shape[1]):
            out[b, j] = x[b, j] + P[t, j]
