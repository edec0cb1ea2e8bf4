"""Matrix products on given memory: a @ b (+ bias), and a.T @ b.

At the sizes of a model of names, tens to a few hundred, a BLAS spends as long on preparing as on
multiplying. All arrays are C-contiguous and of one float type.
"""

from typing import Any

from handgrad.kernels.jit import VECTOR_BYTES, kernel
from handgrad.kernels.tile import ROWS, VECTORS, tile


@kernel
def product(a: Any, b: Any, bias: Any, c: Any) -> None:
    """c (M, N) = a (M, P) @ b (P, N) + bias (N,)."""
    rows, length = a.shape
    _by_tiles(a, b, c, bias, True, rows, length, length, 1)


@kernel
def product_transposed(a: Any, b: Any, c: Any) -> None:
    """c (M, N) = a.T @ b with a (P, M), b (P, N)."""
    length, rows = a.shape
    _by_tiles(a, b, c, b[0], False, rows, length, 1, rows)


@kernel
def product_without_bias(a: Any, b: Any, c: Any) -> None:
    """c (M, N) = a (M, P) @ b (P, N)."""
    rows, length = a.shape
    _by_tiles(a, b, c, b[0], False, rows, length, length, 1)


@kernel
def _by_tiles(
    a: Any,
    b: Any,
    c: Any,
    bias: Any,
    has_bias: bool,
    rows: int,
    length: int,
    row_of_a: int,
    next_in_a: int,
) -> None:
    columns = b.shape[1]
    wide = VECTORS * VECTOR_BYTES // a.itemsize
    stripes = (rows + ROWS - 1) // ROWS
    for first in range(0, columns, wide):
        # the last tile lies over the one before it: masks are slow, on some processors very
        j = max(0, min(first, columns - wide))
        for stripe in range(stripes):
            # evenly: a last stripe of one row would leave the processor waiting for each sum
            i = stripe * rows // stripes
            height = (stripe + 1) * rows // stripes - i
            tile(
                a,
                b,
                c,
                bias,
                i * row_of_a,
                j,
                i * columns + j,
                j if has_bias else -1,
                row_of_a,
                next_in_a,
                columns,
                columns,
                length,
                height,
                min(columns - j, wide),
            )
