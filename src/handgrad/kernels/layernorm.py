"""Layer normalisation on given memory. Specification: layers/layernorm.py, same closed form.

x, out (N, C), gain, bias (C,), mean, rstd (N, 1). backward computes norm = (x - mean) * rstd
again: reading it would cost as much as reading x. of_gain and of_bias (ceil(N / ROWS), C) are the
sums of each block of rows, which do not depend on the number of threads.
"""

import math
from typing import Any

from handgrad.constants import LAYERNORM_NODES, NORM_EPS
from handgrad.kernels.jit import kernel
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.sums import blocks_of, sum_blocks
from handgrad.kernels.team import ROWS, rows_of, wait

NODES = LAYERNORM_NODES
ADDS = ("x",)


def memory(x: Shape, gain: Shape, bias: Shape) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    blocks = (blocks_of(x[0]), x[1])
    of_row = (x[0], 1)
    return {"mean": of_row, "rstd": of_row, "out": x, "of_gain": blocks, "of_bias": blocks}


@kernel
def forward(
    x: Any,
    gain: Any,
    bias: Any,
    mean: Any,
    rstd: Any,
    out: Any,
    thread: int,
    team: Any,
) -> None:
    zero, one, small = x.dtype.type(0), x.dtype.type(1), x.dtype.type(NORM_EPS)
    columns = x.shape[1]
    share = one / x.dtype.type(columns)
    begin, end = rows_of(x, thread, team)
    for i in range(begin, end):
        total, square = zero, zero
        for j in range(columns):
            total += x[i, j]
        centre = total * share
        for j in range(columns):
            square += (x[i, j] - centre) * (x[i, j] - centre)
        inv = one / math.sqrt(square * share + small)
        mean[i, 0], rstd[i, 0] = centre, inv
        for j in range(columns):
            out[i, j] = (x[i, j] - centre) * inv * gain[j] + bias[j]


@kernel
def backward(
    dout: Any,
    x: Any,
    gain: Any,
    mean: Any,
    rstd: Any,
    dx: Any,
    dgain: Any,
    dbias: Any,
    of_gain: Any,
    of_bias: Any,
    add_x: bool,
    thread: int,
    team: Any,
) -> None:
    """Compute dx = rstd (g - mean(g) - norm mean(g norm)) with g = gain dout, and both sums."""
    zero, one = x.dtype.type(0), x.dtype.type(1)
    columns = x.shape[1]
    share = one / x.dtype.type(columns)
    begin, end = rows_of(x, thread, team)
    for first in range(begin, end, ROWS):
        gains, biases = of_gain[first // ROWS], of_bias[first // ROWS]
        for j in range(columns):
            gains[j], biases[j] = 0, 0
        for i in range(first, min(first + ROWS, end)):
            centre, inv, level, along = mean[i, 0], rstd[i, 0], zero, zero
            for j in range(columns):
                product = dout[i, j] * ((x[i, j] - centre) * inv)
                biases[j] += dout[i, j]
                gains[j] += product
                level += dout[i, j] * gain[j]
                along += product * gain[j]
            level *= share
            along *= share * inv
            for j in range(columns):
                value = inv * (dout[i, j] * gain[j] - level - (x[i, j] - centre) * along)
                if add_x:
                    dx[i, j] += value
                else:
                    dx[i, j] = value
    wait(thread, team)
    sum_blocks(of_gain, len(x), dgain, thread, team)
    sum_blocks(of_bias, len(x), dbias, thread, team)
