"""Batchnorm on given memory. Specification: layers/batchnorm.py, with the same closed form.

x, bnraw, out (B, H); bngain, bnbias and the statistics (1, H); of_blocks (2, ceil(B / ROWS), H),
the sums of each block of rows. A block's variance takes two passes; blocks are combined as by Chan,
Golub, LeVeque 1983: a sum of squares would lose its digits if the mean is large.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.constants import BATCHNORM_EPS, BATCHNORM_NODES
from handgrad.kernels.jit import kernel
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.team import ROWS, lines, rows_of, wait

NODES = BATCHNORM_NODES
STATE = ("mean", "var")
Array = npt.NDArray[Any]


def memory(x: Shape, bngain: Shape, bnbias: Shape) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    return {
        "bnmeani": bngain,
        "bnvar": bngain,
        "bnvar_inv": bngain,
        "bnraw": x,
        "out": x,
        "scale": bngain,
        "shift": bngain,
        "of_blocks": (2, -(-x[0] // ROWS), x[1]),
    }


@kernel
def forward(
    x: Any,
    bngain: Any,
    bnbias: Any,
    bnmeani: Any,
    bnvar: Any,
    bnvar_inv: Any,
    bnraw: Any,
    out: Any,
    of_blocks: Any,
    thread: int,
    team: Any,
) -> None:
    """Normalise by the batch's statistics."""
    _block_moments(x, of_blocks, thread, team)
    wait(thread, team)
    _statistics(x, of_blocks, bnmeani, bnvar, bnvar_inv, thread, team)
    wait(thread, team)
    columns = x.shape[1]
    mean, inv, gain, bias = bnmeani[0], bnvar_inv[0], bngain[0], bnbias[0]
    begin, end = rows_of(x, thread, team)
    for i in range(begin, end):
        for j in range(columns):
            raw = (x[i, j] - mean[j]) * inv[j]
            bnraw[i, j] = raw
            out[i, j] = gain[j] * raw + bias[j]


@kernel
def _block_moments(x: Any, of_blocks: Any, thread: int, team: Any) -> None:
    """Compute the mean of each block of rows, and the sum of squared differences from it."""
    one = x.dtype.type(1)
    columns = x.shape[1]
    begin, end = rows_of(x, thread, team)
    for first in range(begin, end, ROWS):
        last = min(first + ROWS, end)
        whole = last - (last - first) % 4
        share = one / x.dtype.type(last - first)
        mean, square = of_blocks[0, first // ROWS], of_blocks[1, first // ROWS]
        for j in range(columns):
            mean[j], square[j] = 0, 0
        for i in range(first, whole, 4):
            for j in range(columns):
                mean[j] += (x[i, j] + x[i + 1, j]) + (x[i + 2, j] + x[i + 3, j])
        for i in range(whole, last):
            for j in range(columns):
                mean[j] += x[i, j]
        for j in range(columns):
            mean[j] *= share
        for i in range(first, whole, 4):
            for j in range(columns):
                a, b = x[i, j] - mean[j], x[i + 1, j] - mean[j]
                c, d = x[i + 2, j] - mean[j], x[i + 3, j] - mean[j]
                square[j] += (a * a + b * b) + (c * c + d * d)
        for i in range(whole, last):
            for j in range(columns):
                a = x[i, j] - mean[j]
                square[j] += a * a


@kernel
def _statistics(
    x: Any, of_blocks: Any, bnmeani: Any, bnvar: Any, bnvar_inv: Any, thread: int, team: Any
) -> None:
    """Combine the moments of the blocks into the batch's statistics."""
    one, eps = x.dtype.type(1), x.dtype.type(BATCHNORM_EPS)
    rows = len(x)
    unbiased = one / x.dtype.type(rows - 1)
    mean, var, inv = bnmeani[0], bnvar[0], bnvar_inv[0]
    begin, end = lines(x.shape[1], thread, team)
    for j in range(begin, end):
        mean[j], var[j] = 0, 0
    for block in range(of_blocks.shape[1]):
        count = x.dtype.type(min(ROWS, rows - block * ROWS))
        share = count / x.dtype.type(rows)
        block_mean = of_blocks[0, block]
        for j in range(begin, end):
            mean[j] += block_mean[j] * share
    for block in range(of_blocks.shape[1]):
        count = x.dtype.type(min(ROWS, rows - block * ROWS))
        block_mean, square = of_blocks[0, block], of_blocks[1, block]
        for j in range(begin, end):
            difference = block_mean[j] - mean[j]
            var[j] += square[j] + count * (difference * difference)
    for j in range(begin, end):
        var[j] *= unbiased
        inv[j] = one / math.sqrt(var[j] + eps)


@kernel
def backward(
    dout: Any,
    bngain: Any,
    bnvar_inv: Any,
    bnraw: Any,
    dx: Any,
    dbngain: Any,
    dbnbias: Any,
    scale: Any,
    shift: Any,
    of_blocks: Any,
    thread: int,
    team: Any,
) -> None:
    """Compute dx = bngain bnvar_inv (dout - sum(dout) / n - bnraw sum(dout bnraw) / (n - 1))."""
    _block_sums(dout, bnraw, of_blocks, thread, team)
    wait(thread, team)
    one = dout.dtype.type(1)
    rows, columns = dout.shape
    share, unbiased = one / dout.dtype.type(rows), one / dout.dtype.type(rows - 1)
    gain, inv, dgain, dbias = bngain[0], bnvar_inv[0], dbngain[0], dbnbias[0]
    factor, mean = scale[0], shift[0]
    first, last = lines(columns, thread, team)
    for j in range(first, last):
        dgain[j], dbias[j] = 0, 0
    for block in range(of_blocks.shape[1]):
        of_bias, of_gain = of_blocks[0, block], of_blocks[1, block]
        for j in range(first, last):
            dbias[j] += of_bias[j]
            dgain[j] += of_gain[j]
    for j in range(first, last):
        factor[j] = gain[j] * inv[j]
        mean[j] = dbias[j] * share
    wait(thread, team)
    begin, end = rows_of(dout, thread, team)
    for i in range(begin, end):
        for j in range(columns):
            dx[i, j] = factor[j] * (dout[i, j] - mean[j] - bnraw[i, j] * (dgain[j] * unbiased))


@kernel
def _block_sums(dout: Any, bnraw: Any, of_blocks: Any, thread: int, team: Any) -> None:
    """Sum dout and dout bnraw over each block of rows."""
    columns = dout.shape[1]
    begin, end = rows_of(dout, thread, team)
    for first in range(begin, end, ROWS):
        last = min(first + ROWS, end)
        whole = last - (last - first) % 4
        dbias, dgain = of_blocks[0, first // ROWS], of_blocks[1, first // ROWS]
        for j in range(columns):
            dbias[j], dgain[j] = 0, 0
        for i in range(first, whole, 4):
            for j in range(columns):
                a, b, c, d = dout[i, j], dout[i + 1, j], dout[i + 2, j], dout[i + 3, j]
                dbias[j] += (a + b) + (c + d)
                both = a * bnraw[i, j] + b * bnraw[i + 1, j]
                dgain[j] += both + (c * bnraw[i + 2, j] + d * bnraw[i + 3, j])
        for i in range(whole, last):
            for j in range(columns):
                dbias[j] += dout[i, j]
                dgain[j] += dout[i, j] * bnraw[i, j]


@kernel
def update(
    mean: Any, var: Any, bnmeani: Any, bnvar: Any, momentum: Any, thread: int, team: Any
) -> None:
    """Move the running statistics towards the batch's: mean += momentum (bnmeani - mean)."""
    weight = mean.dtype.type(momentum)
    begin, end = lines(mean.shape[1], thread, team)
    for j in range(begin, end):
        mean[0, j] += weight * (bnmeani[0, j] - mean[0, j])
        var[0, j] += weight * (bnvar[0, j] - var[0, j])


def folded(bngain: Array, bnbias: Array, mean: Array, var: Array) -> dict[str, Array]:
    """Return scale and shift (1, H), which combine statistics, gain and bias, in float64."""
    scale = bngain / np.sqrt(var.astype(np.float64) + BATCHNORM_EPS)
    return {"scale": scale, "shift": bnbias - mean.astype(np.float64) * scale}


@kernel
def evaluate(x: Any, scale: Any, shift: Any, out: Any) -> None:
    """Compute out = x scale + shift."""
    rows, columns = x.shape
    for i in range(rows):
        for j in range(columns):
            out[i, j] = x[i, j] * scale[0, j] + shift[0, j]


@kernel
def moments(x: Any, count: int, earlier: int, mean: Any, square: Any) -> None:
    """Add the first `count` rows of x to `mean` and `square` (1, H), float64.

    These are the mean and the sum of squared differences from it over `earlier` rows. Chan,
    Golub, LeVeque 1983.
    """
    for j in range(x.shape[1]):
        total = 0.0
        for i in range(count):
            total += x[i, j]
        new_mean = total / count
        squares = 0.0
        for i in range(count):
            squares += (x[i, j] - new_mean) ** 2
        difference = new_mean - mean[0, j]
        mean[0, j] += difference * count / (earlier + count)
        square[0, j] += squares + difference**2 * earlier * count / (earlier + count)
