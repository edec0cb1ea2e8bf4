"""Matrix products on given memory.

For products of tens to a few hundred rows, a BLAS spends as much time on preparation as on
multiplication: these use tiles. All arrays are C-contiguous and of one float type.
"""

from typing import Any

import numpy as np

from handgrad.kernels.blas import gemm
from handgrad.kernels.jit import VECTOR_BYTES, inlined, kernel
from handgrad.kernels.team import LINE, rows_of, share, wait
from handgrad.kernels.tile import ROWS, VECTORS, tile
from handgrad.kernels.transpose import transpose

LARGE = 16_000_000
"""Multiplications in a product from which on a BLAS is faster (benchmarks/LOG.md)."""
WIDE = 4
"""Ratio of weights to batch numbers from which on threads share a product by columns."""
PIECE = 256
"""Rows or columns per BLAS call. A piece belongs to one thread and does not depend on the number of
threads, so sums run in the same order.
"""


@inlined
def product(a: Any, b: Any, bias: Any, c: Any, thread: int, team: Any) -> None:
    """Compute c (M, N) = a (M, P) @ b (P, N) + bias (N,)."""
    if _is_large(a, b.shape[1]):
        _by_blas(a, False, b, False, bias, c, thread, team)
    else:
        part = _of_batch(c, b, thread, team)
        _by_tiles(a, b, bias, c, a.shape[1], _step(a, 0), _step(a, 1), *part)


@inlined
def product_transposed(a: Any, b: Any, c: Any, thread: int, team: Any) -> None:
    """Compute c (M, N) = a.T @ b with a (P, M), b (P, N)."""
    if _is_large(a, b.shape[1]):
        _by_blas(a, True, b, False, b[0, :0], c, thread, team)
    else:
        part = _of_weights(c, thread, team)
        _by_tiles(a, b, b[0, :0], c, a.shape[0], _step(a, 1), _step(a, 0), *part)


@inlined
def product_by_transposed(a: Any, b: Any, b_t: Any, c: Any, thread: int, team: Any) -> None:
    """Compute c (M, N) = a (M, P) @ b.T with b (N, P); b_t (P, N) is scratch for b.T."""
    product_by_transposed_plus(a, b, b_t, b[0, :0], c, thread, team)


@inlined
def product_by_transposed_plus(
    a: Any, b: Any, b_t: Any, bias: Any, c: Any, thread: int, team: Any
) -> None:
    """As `product_by_transposed`, plus a bias (N,); a bias (0,) means none."""
    if _is_large(a, b.shape[0]):
        _by_blas(a, False, b, True, bias, c, thread, team)
    else:
        transpose(b, b_t, thread, team)
        wait(thread, team)
        part = _of_batch(c, b_t, thread, team)
        _by_tiles(a, b_t, bias, c, a.shape[1], _step(a, 0), _step(a, 1), *part)


@inlined
def _is_large(a: Any, columns: int) -> bool:
    large: bool = a.size * columns >= LARGE
    return large


@inlined
def _step(a: Any, axis: int) -> Any:
    """Return the stride along `axis` in numbers; not a literal, which would be compiled anew."""
    return a.strides[axis] // a.itemsize


@kernel
def _by_blas(
    a: Any,
    a_transposed: bool,
    b: Any,
    b_transposed: bool,
    bias: Any,
    c: Any,
    thread: int,
    team: Any,
) -> None:
    """Compute the thread's pieces of c = op(a) @ op(b) + bias; a bias (0,) means none."""
    rows, columns = c.shape
    across = columns > rows
    longer, threads = max(rows, columns), len(team) - 1
    pieces = max(1, longer // PIECE, min(2, longer // 64))
    for piece in range(pieces * thread // threads, pieces * (thread + 1) // threads):
        i, j, i_end, j_end = 0, 0, rows, columns
        if across:
            j, j_end = piece * columns // pieces, (piece + 1) * columns // pieces
        else:
            i, i_end = piece * rows // pieces, (piece + 1) * rows // pieces
        if len(bias):
            for row in range(i, i_end):
                for column in range(np.uintp(j), np.uintp(j_end)):  # see team.lines
                    c[row, column] = bias[column]
        gemm(a, a_transposed, b, b_transposed, len(bias) > 0, c, i, i_end, j, j_end)


@inlined
def _of_batch(c: Any, weights: Any, thread: int, team: Any) -> Any:
    """Return the thread's begin and end of rows and of columns in c.

    Threads share rows, as everywhere, unless each would then read weights that are much larger than
    the batch.
    """
    rows, columns = c.shape
    if weights.size > WIDE * rows * (len(weights) + columns):
        j, j_end = share(columns, LINE, thread, team)
        return 0, rows, j, j_end
    i, i_end = rows_of(c, thread, team)
    return i, i_end, 0, columns


@inlined
def _of_weights(c: Any, thread: int, team: Any) -> Any:
    """Return the thread's begin and end of rows and of columns in a gradient of weights."""
    rows, columns = c.shape
    if rows < ROWS * (len(team) - 1):
        j, j_end = share(columns, LINE, thread, team)
        return 0, rows, j, j_end
    i, i_end = share(rows, ROWS, thread, team)
    return i, i_end, 0, columns


@kernel
def _by_tiles(
    a: Any,
    b: Any,
    bias: Any,
    c: Any,
    length: int,
    row_of_a: int,
    next_in_a: int,
    i_begin: int,
    i_end: int,
    j_begin: int,
    j_end: int,
) -> None:
    """Compute the given rows and columns of c by tiles; a bias (0,) means none."""
    columns = c.shape[1]
    wide = VECTORS * VECTOR_BYTES // a.itemsize
    rows = i_end - i_begin
    stripes = (rows + ROWS - 1) // ROWS
    for first in range(j_begin, j_end, wide):
        # the last tile overlaps the previous one: masks are slow, on some CPUs very slow
        j = max(j_begin, min(first, j_end - wide))
        at_bias = j if len(bias) else -1
        for stripe in range(stripes):
            # evenly: in a last stripe of one row, the CPU would wait for each sum
            i = i_begin + stripe * rows // stripes
            height = i_begin + (stripe + 1) * rows // stripes - i
            tile(
                a,
                b,
                c,
                bias,
                i * row_of_a,
                j,
                i * columns + j,
                at_bias,
                row_of_a,
                next_in_a,
                columns,
                columns,
                length,
                height,
                min(j_end - j, wide),
            )
