"""RMSNorm on given memory. Specification: layers/rmsnorm.py, with the same closed form.

x, out (N, C), gain (C,), rstd (N, 1). Without a gain, gain and dgain are (0,). backward computes
norm = x * rstd again: reading it would cost as much as reading x. of_blocks (ceil(N / ROWS), C) are
the sums of each block of rows, which do not depend on the number of threads. factor (C,) is the
gain, or ones.
"""

import math
from typing import Any

from handgrad.constants import NORM_EPS, RMSNORM_NODES
from handgrad.kernels.jit import kernel
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.sums import blocks_of, sum_blocks
from handgrad.kernels.team import ROWS, rows_of, wait

NODES = RMSNORM_NODES
ADDS = ("x",)
PER_THREAD = ("factor",)


def memory(x: Shape, gain: Shape | None = None) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    needed: Shapes = {"rstd": (x[0], 1), "out": x, "of_blocks": (blocks_of(x[0]), x[1])}
    needed["factor"] = x[1:]
    return needed if gain is not None else {**needed, "gain": (0,), "dgain": (0,)}


@kernel
def forward(x: Any, gain: Any, rstd: Any, out: Any, factor: Any, thread: int, team: Any) -> None:
    zero, one, small = x.dtype.type(0), x.dtype.type(1), x.dtype.type(NORM_EPS)
    columns = x.shape[1]
    share = one / x.dtype.type(columns)
    _fill(gain, factor)
    begin, end = rows_of(x, thread, team)
    for i in range(begin, end):
        total = zero
        for j in range(columns):
            total += x[i, j] * x[i, j]
        inv = one / math.sqrt(total * share + small)
        rstd[i, 0] = inv
        for j in range(columns):
            out[i, j] = x[i, j] * inv * factor[j]


@kernel
def _fill(gain: Any, factor: Any) -> None:
    """Write the gain to `factor`, or ones without a gain."""
    for j in range(len(gain)):
        factor[j] = gain[j]
    for j in range(len(gain), len(factor)):
        factor[j] = 1


@kernel
def backward(
    dout: Any,
    x: Any,
    gain: Any,
    rstd: Any,
    dx: Any,
    dgain: Any,
    factor: Any,
    of_blocks: Any,
    add_x: bool,
    thread: int,
    team: Any,
) -> None:
    """Compute dx = rstd (g - norm mean(g norm)) with g = gain dout, dgain = sum(dout norm)."""
    zero, one = x.dtype.type(0), x.dtype.type(1)
    columns = x.shape[1]
    share = one / x.dtype.type(columns)
    _fill(gain, factor)
    begin, end = rows_of(x, thread, team)
    for first in range(begin, end, ROWS):
        total = of_blocks[first // ROWS]
        for j in range(columns):
            total[j] = 0
        for i in range(first, min(first + ROWS, end)):
            inv, along = rstd[i, 0], zero
            for j in range(columns):
                product = dout[i, j] * (x[i, j] * inv)
                total[j] += product
                along += product * factor[j]
            along *= share * inv
            for j in range(columns):
                value = inv * (dout[i, j] * factor[j] - x[i, j] * along)
                if add_x:
                    dx[i, j] += value
                else:
                    dx[i, j] = value
    if len(gain):
        wait(thread, team)
        sum_blocks(of_blocks, len(x), dgain, thread, team)
