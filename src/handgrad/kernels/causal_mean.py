"""Causal mean on given memory. Specification: layers/causal_mean.py.

x, out (N, C), offsets (B + 1,); running (C,) is the sum so far. Threads share words.
"""

from typing import Any

from handgrad.constants import CAUSAL_MEAN_NODES
from handgrad.kernels.jit import kernel
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.team import rows_of, share

NODES = CAUSAL_MEAN_NODES
ADDS = ("x",)
PER_THREAD = ("running",)


def memory(x: Shape, offsets: Shape) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    return {"out": x, "running": x[1:]}


@kernel
def forward(x: Any, offsets: Any, out: Any, running: Any, thread: int, team: Any) -> None:
    one = x.dtype.type(1)
    columns = x.shape[1]
    begin, end = share(len(offsets) - 1, 1, thread, team)
    for b in range(begin, end):
        for j in range(columns):
            running[j] = 0
        for i in range(offsets[b], offsets[b + 1]):
            weight = one / x.dtype.type(i - offsets[b] + 1)
            for j in range(columns):
                running[j] += x[i, j]
                out[i, j] = running[j] * weight


@kernel
def backward(
    dout: Any, offsets: Any, dx: Any, running: Any, add_x: bool, thread: int, team: Any
) -> None:
    """Compute dx[t] = dout[t] / (t + 1) + dx[t + 1] of each word, from its end."""
    one = dout.dtype.type(1)
    columns = dout.shape[1]
    begin, end = share(len(offsets) - 1, 1, thread, team)
    for b in range(begin, end):
        for j in range(columns):
            running[j] = 0
        for i in range(offsets[b + 1] - 1, offsets[b] - 1, -1):
            weight = one / dout.dtype.type(i - offsets[b] + 1)
            for j in range(columns):
                running[j] += dout[i, j] * weight
                if add_x:
                    dx[i, j] += running[j]
                else:
                    dx[i, j] = running[j]


def carried(x: Shape, offsets: Shape) -> Shapes:
    """Return the memory that `step` carries from character to character."""
    return {"total": x}


@kernel
def step(x: Any, out: Any, total: Any, t: int, thread: int, team: Any) -> None:
    """Compute the mean of one character x (B, C) of each word and the earlier ones."""
    weight = x.dtype.type(1) / x.dtype.type(t + 1)
    begin, end = rows_of(x, thread, team)
    for b in range(begin, end):
        for j in range(x.shape[1]):
            sums = x[b, j] if t == 0 else total[b, j] + x[b, j]
            total[b, j] = sums
            out[b, j] = sums * weight
