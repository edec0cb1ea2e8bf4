"""Batchnorm on given memory. Specification: layers/batchnorm.py, with the same closed form.

x, bnraw, out (B, H); bngain, bnbias and the statistics (1, H). Two passes for the statistics: a
variance from sums of squares loses its digits where the mean is large.
"""

import math
from typing import Any

from handgrad.constants import BATCHNORM_EPS, BATCHNORM_NODES
from handgrad.kernels.jit import kernel
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.sums import column_sums

NODES = BATCHNORM_NODES


def memory(x: Shape, bngain: Shape, bnbias: Shape) -> Shapes:
    """What a call needs beside its inputs and their gradients."""
    return {
        "bnmeani": bngain,
        "bnvar": bngain,
        "bnvar_inv": bngain,
        "bnraw": x,
        "out": x,
        "scale": bngain,
        "shift": bngain,
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
) -> None:
    """By the batch's own statistics."""
    one, eps = x.dtype.type(1), x.dtype.type(BATCHNORM_EPS)
    rows, columns = x.shape
    mean, var, inv, gain, bias = bnmeani[0], bnvar[0], bnvar_inv[0], bngain[0], bnbias[0]
    share, unbiased = one / x.dtype.type(rows), one / x.dtype.type(rows - 1)
    column_sums(x, mean)
    for j in range(columns):
        mean[j] *= share
        var[j] = 0
    for i in range(0, rows - 3, 4):
        for j in range(columns):
            a, b = x[i, j] - mean[j], x[i + 1, j] - mean[j]
            c, d = x[i + 2, j] - mean[j], x[i + 3, j] - mean[j]
            var[j] += (a * a + b * b) + (c * c + d * d)
    for i in range(rows - rows % 4, rows):
        for j in range(columns):
            a = x[i, j] - mean[j]
            var[j] += a * a
    for j in range(columns):
        var[j] *= unbiased
        inv[j] = one / math.sqrt(var[j] + eps)
    for i in range(rows):
        for j in range(columns):
            raw = (x[i, j] - mean[j]) * inv[j]
            bnraw[i, j] = raw
            out[i, j] = gain[j] * raw + bias[j]


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
) -> None:
    """dx = bngain bnvar_inv (dout - sum(dout) / n - bnraw sum(dout bnraw) / (n - 1))."""
    one = dout.dtype.type(1)
    rows, columns = dout.shape
    share, unbiased = one / dout.dtype.type(rows), one / dout.dtype.type(rows - 1)
    gain, inv, dgain, dbias = bngain[0], bnvar_inv[0], dbngain[0], dbnbias[0]
    factor, mean = scale[0], shift[0]
    for j in range(columns):
        dgain[j], dbias[j] = 0, 0
    for i in range(0, rows - 3, 4):
        for j in range(columns):
            a, b, c, d = dout[i, j], dout[i + 1, j], dout[i + 2, j], dout[i + 3, j]
            dbias[j] += (a + b) + (c + d)
            first = a * bnraw[i, j] + b * bnraw[i + 1, j]
            dgain[j] += first + (c * bnraw[i + 2, j] + d * bnraw[i + 3, j])
    for i in range(rows - rows % 4, rows):
        for j in range(columns):
            dbias[j] += dout[i, j]
            dgain[j] += dout[i, j] * bnraw[i, j]
    for j in range(columns):
        factor[j] = gain[j] * inv[j]
        mean[j] = dbias[j] * share
    for i in range(rows):
        for j in range(columns):
            dx[i, j] = factor[j] * (dout[i, j] - mean[j] - bnraw[i, j] * (dgain[j] * unbiased))


@kernel
def follow(running: Any, statistic: Any, momentum: Any) -> None:
    """running += momentum (statistic - running)."""
    weight = running.dtype.type(momentum)
    for j in range(running.shape[1]):
        running[0, j] += weight * (statistic[0, j] - running[0, j])


@kernel
def forward_evaluation(x: Any, scale: Any, shift: Any, out: Any) -> None:
    """out = x scale + shift, both (1, H): what given statistics, gain and bias come to."""
    rows, columns = x.shape
    for i in range(rows):
        for j in range(columns):
            out[i, j] = x[i, j] * scale[0, j] + shift[0, j]


@kernel
def moments(x: Any, count: int, seen: int, mean: Any, square: Any) -> None:
    """Take the first `count` rows of x into `mean` and `square` (1, H), float64: the mean and the
    sum of squared differences from it over `seen` rows before. Chan, Golub, LeVeque 1983."""
    for j in range(x.shape[1]):
        total = 0.0
        for i in range(count):
            total += x[i, j]
        own = total / count
        squares = 0.0
        for i in range(count):
            squares += (x[i, j] - own) ** 2
        difference = own - mean[0, j]
        mean[0, j] += difference * count / (seen + count)
        square[0, j] += squares + difference**2 * seen * count / (seen + count)
