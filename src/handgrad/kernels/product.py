"""Matrix products on given memory: a @ b (+ bias), and a.T @ b.

At the sizes of a model of names, tens to a few hundred, a BLAS spends as long on preparing as on
multiplying. All arrays are C-contiguous and of one float type.
"""

from typing import Any

from handgrad.kernels.jit import VECTOR_BYTES, inlined, kernel
from handgrad.kernels.tile import ROWS, VECTORS, tile


@inlined
def product(a: Any, b: Any, bias: Any, c: Any) -> None:
    """c (M, N) = a (M, P) @ b (P, N) + bias (N,)."""
    _by_tiles(a, b, bias, c, a.shape[0], a.shape[1], _step(a, 0), _step(a, 1))


@inlined
def product_without_bias(a: Any, b: Any, c: Any) -> None:
    """c (M, N) = a (M, P) @ b (P, N)."""
    _by_tiles(a, b, b[0, :0], c, a.shape[0], a.shape[1], _step(a, 0), _step(a, 1))


@inlined
def product_transposed(a: Any, b: Any, c: Any) -> None:
    """c (M, N) = a.T @ b with a (P, M), b (P, N)."""
    _by_tiles(a, b, b[0, :0], c, a.shape[1], a.shape[0], _step(a, 1), _step(a, 0))


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
