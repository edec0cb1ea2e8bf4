"""Sums over the rows of a matrix, and of gradients.

Rows are added four at a time: a sum is then read and written a quarter as often, and the inner loop
stays on the contiguous axis.
"""

from typing import Any

from handgrad.kernels.jit import flat, kernel
from handgrad.kernels.team import ROWS, lines, numbers_of


@kernel
def column_sums(x: Any, out: Any, thread: int, team: Any) -> None:
    """Compute out (H,) = x (B, H) summed over the rows."""
    rows, columns = x.shape
    begin, end = lines(columns, thread, team)
    for j in range(begin, end):
        out[j] = 0
    for i in range(0, rows - 3, 4):
        for j in range(begin, end):
            out[j] += (x[i, j] + x[i + 1, j]) + (x[i + 2, j] + x[i + 3, j])
    for i in range(rows - rows % 4, rows):
        for j in range(begin, end):
            out[j] += x[i, j]


def blocks_of(rows: int) -> int:
    """Return the number of blocks of ROWS rows."""
    return -(-rows // ROWS)


@kernel
def sum_blocks(of_blocks: Any, rows: int, out: Any, thread: int, team: Any) -> None:
    """Compute out (H,) as the sum of the blocks (blocks, H) of `rows` rows."""
    begin, end = lines(len(out), thread, team)
    for j in range(begin, end):
        out[j] = 0
    for block in range((rows + ROWS - 1) // ROWS):
        for j in range(begin, end):
            out[j] += of_blocks[block, j]


@kernel
def put(x: Any, out: Any, adds: bool, thread: int, team: Any) -> None:
    """Write x to out, or add it."""
    given, written = flat(x), flat(out)
    begin, end = numbers_of(x, thread, team)
    if adds:
        for i in range(begin, end):
            written[i] += given[i]
    else:
        for i in range(begin, end):
            written[i] = given[i]
