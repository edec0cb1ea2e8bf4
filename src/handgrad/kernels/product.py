"""Matrix products on given memory.

At the sizes of a model of names, tens to a few hundred, a BLAS spends as long on preparing as on
multiplying: those are by tiles. All arrays are C-contiguous and of one float type.
"""

from typing import Any

from handgrad.kernels.blas import gemm
from handgrad.kernels.jit import VECTOR_BYTES, inlined, kernel
from handgrad.kernels.tile import ROWS, VECTORS, tile
from handgrad.kernels.transpose import transpose

LARGE = 16_000_000
"""Products of two numbers from which on a BLAS is faster (benchmarks/LOG.md)."""


@inlined
def product(a: Any, b: Any, bias: Any, c: Any) -> None:
    """c (M, N) = a (M, P) @ b (P, N) + bias (N,)."""
    if _is_large(a, b.shape[1]):
        _each_row(bias, c)
        gemm(a, False, b, False, 1.0, c)
    else:
        _by_tiles(a, b, bias, c, a.shape[0], a.shape[1], _step(a, 0), _step(a, 1))


@inlined
def product_transposed(a: Any, b: Any, c: Any) -> None:
    """c (M, N) = a.T @ b with a (P, M), b (P, N)."""
    if _is_large(a, b.shape[1]):
        gemm(a, True, b, False, 0.0, c)
    else:
        _by_tiles(a, b, b[0, :0], c, a.shape[1], a.shape[0], _step(a, 1), _step(a, 0))


@inlined
def product_by_transposed(a: Any, b: Any, b_t: Any, c: Any) -> None:
    """c (M, N) = a (M, P) @ b.T with b (N, P); b_t (P, N) is room for b.T."""
    if _is_large(a, b.shape[0]):
        gemm(a, False, b, True, 0.0, c)
    else:
        transpose(b, b_t)
        _by_tiles(a, b_t, b_t[0, :0], c, a.shape[0], a.shape[1], _step(a, 0), _step(a, 1))


@inlined
def _is_large(a: Any, columns: int) -> bool:
    large: bool = a.size * columns >= LARGE
    return large


@kernel
def _each_row(bias: Any, c: Any) -> None:
    rows, columns = c.shape
    for i in range(rows):
        for j in range(columns):
            c[i, j] = bias[j]


@inlined
def _step(a: Any, axis: int) -> Any:
    """Numbers from one to the next along `axis`: never a literal, each is compiled for anew."""
    return a.strides[axis] // a.itemsize


@kernel
def _by_tiles(
    a: Any, b: Any, bias: Any, c: Any, rows: int, length: int, row_of_a: int, next_in_a: int
) -> None:
    """A bias (0,) is none."""
    columns = b.shape[1]
    wide = VECTORS * VECTOR_BYTES // a.itemsize
    stripes = (rows + ROWS - 1) // ROWS
    for first in range(0, columns, wide):
        # the last tile lies over the one before it: masks are slow, on some processors very
        j = max(0, min(first, columns - wide))
        at_bias = j if len(bias) else -1
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
                at_bias,
                row_of_a,
                next_in_a,
                columns,
                columns,
                length,
                height,
                min(columns - j, wide),
            )
