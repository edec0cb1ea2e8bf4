"""All gradients before an update: their mean, and clipping. Specification: optim/gradients.py.

`gradients` (n,) is the memory of every parameter's gradient, with zeros in between; `numbers` (6,)
ends with the maximum norm and the number of batches. Sums have one order for any number of threads.
"""

import math
from typing import Any

import numpy as np

from handgrad.constants import CLIP_EPS
from handgrad.kernels.jit import kernel
from handgrad.kernels.team import lines, share

BLOCK = 1024
"""Gradients whose squares one thread adds."""


@kernel
def accumulate(gradients: Any, sums: Any, part: int, numbers: Any, thread: int, team: Any) -> None:
    """Add the gradients of batch number `part` to `sums` (n,); after the last, write the mean."""
    last = int(numbers[5]) - 1
    share_of_each = gradients.dtype.type(1 / numbers[5])
    begin, end = lines(gradients.size, thread, team)
    if part == 0:
        for i in range(begin, end):
            sums[i] = gradients[i]
    elif part < last:
        for i in range(begin, end):
            sums[i] += gradients[i]
    else:
        for i in range(begin, end):
            gradients[i] = (sums[i] + gradients[i]) * share_of_each


@kernel
def add_squares(gradients: Any, squares: Any, thread: int, team: Any) -> None:
    """Compute squares (m,), float64: the sum of the squares of each block."""
    begin, end = share(len(squares), 1, thread, team)
    for block in range(begin, end):
        first = np.uintp(block * BLOCK)
        total = 0.0
        for i in range(first, min(np.uintp(gradients.size), np.uintp(first + BLOCK))):
            total += np.float64(gradients[i]) * np.float64(gradients[i])
        squares[block] = total


@kernel
def clip(gradients: Any, squares: Any, numbers: Any, thread: int, team: Any) -> None:
    """Scale all gradients so that their norm is at most numbers[4]."""
    total = 0.0
    for block in range(len(squares)):
        total += squares[block]
    factor = numbers[4] / (math.sqrt(total) + CLIP_EPS)
    if factor >= 1:
        return
    scale = gradients.dtype.type(factor)
    begin, end = lines(gradients.size, thread, team)
    for i in range(begin, end):
        gradients[i] *= scale
