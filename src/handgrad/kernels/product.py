"""Matrix products on given memory: a @ b (+ bias), and a.T @ b.

At the sizes of a model of names, tens to a few hundred, a BLAS spends as long on preparing as on
multiplying: small matrices are multiplied where they lie. Of large ones, stripes of a and columns
of b are first laid side by side, as a BLAS does: their rows lie on a page of memory each, and
finding the page would take longer than using it. All arrays are C-contiguous and of one float type.
"""

from typing import Any

from handgrad.kernels.jit import VECTOR_BYTES, inlined, kernel
from handgrad.kernels.tile import ROWS, VECTORS, tile

LARGE_BYTES = 1 << 18
"""Of b: above, rows lie too far apart to be multiplied where they are."""
PAGE_BYTES = 4096
DEPTH = 256
"""Terms of a sum at once: the columns of b that they take, laid out, fit the nearest cache."""
BLOCK_BYTES = 1 << 17
"""Of a, laid out together: a part of the second cache."""


@inlined
def product(a: Any, b: Any, bias: Any, c: Any, block: Any, panel: Any) -> None:
    """c (M, N) = a (M, P) @ b (P, N) + bias (N,)."""
    _multiply(a, b, bias, c, block, panel, a.shape[0], a.shape[1], _step(a, 0), _step(a, 1))


@inlined
def product_without_bias(a: Any, b: Any, c: Any, block: Any, panel: Any) -> None:
    """c (M, N) = a (M, P) @ b (P, N)."""
    _multiply(a, b, b[0, :0], c, block, panel, a.shape[0], a.shape[1], _step(a, 0), _step(a, 1))


@inlined
def product_transposed(a: Any, b: Any, c: Any, block: Any, panel: Any) -> None:
    """c (M, N) = a.T @ b with a (P, M), b (P, N)."""
    _multiply(a, b, b[0, :0], c, block, panel, a.shape[1], a.shape[0], _step(a, 1), _step(a, 0))


@inlined
def _step(a: Any, axis: int) -> Any:
    """Numbers from one to the next along `axis`: never a literal, each is compiled for anew."""
    return a.strides[axis] // a.itemsize


@kernel
def _multiply(
    a: Any,
    b: Any,
    bias: Any,
    c: Any,
    block: Any,
    panel: Any,
    rows: int,
    length: int,
    row_of_a: int,
    next_in_a: int,
) -> None:
    """A bias (0,) is none."""
    far_b = b.size * b.itemsize > LARGE_BYTES
    far_a = next_in_a * a.itemsize >= PAGE_BYTES // 2 and length > 2 * DEPTH
    if (far_a or far_b) and rows > 2 * ROWS:
        _laid_out(a, b, bias, c, block, panel, rows, length, row_of_a, next_in_a)
    else:
        _in_place(a, b, bias, c, rows, length, row_of_a, next_in_a)


@kernel
def _in_place(
    a: Any, b: Any, bias: Any, c: Any, rows: int, length: int, row_of_a: int, next_in_a: int
) -> None:
    columns = b.shape[1]
    wide = VECTORS * VECTOR_BYTES // a.itemsize
    for first in range(0, columns, wide):
        # the last tile lies over the one before it: masks are slow, on some processors very
        j = max(0, min(first, columns - wide))
        some = min(columns - j, wide)
        _stripes(a, b, bias, c, rows, some, length, row_of_a, next_in_a, j, columns, j, j, 0)


@kernel
def _laid_out(
    a: Any,
    b: Any,
    bias: Any,
    c: Any,
    block: Any,
    panel: Any,
    rows: int,
    length: int,
    row_of_a: int,
    next_in_a: int,
) -> None:
    columns = b.shape[1]
    wide = VECTORS * VECTOR_BYTES // a.itemsize
    height = BLOCK_BYTES // (DEPTH * a.itemsize) // ROWS * ROWS
    for start in range(0, length, DEPTH):
        depth = min(DEPTH, length - start)
        for top in range(0, rows, height):
            some_rows = min(height, rows - top)
            _lay_out(
                a, top * row_of_a + start * next_in_a, row_of_a, next_in_a, some_rows, depth, block
            )
            for first in range(0, columns, wide):
                # no tile over another one here: the second part of a sum would be added twice
                some = min(columns - first, wide)
                for p in range(depth):
                    for k in range(some):
                        panel[p, k] = b[start + p, first + k]
                at_c, at_bias = top * columns + first, first
                _stripes(
                    block,
                    panel,
                    bias,
                    c,
                    some_rows,
                    some,
                    depth,
                    1,
                    some_rows,
                    0,
                    panel.shape[1],
                    at_c,
                    at_bias,
                    start,
                )


def scratch() -> dict[str, tuple[int, ...]]:
    """Shapes of `block` (of a: number p of all rows side by side) and `panel` (some columns of b),
    for large products; enough for float32, and so for float64."""
    return {
        "block": (1, BLOCK_BYTES // 4),
        "panel": (DEPTH, VECTORS * VECTOR_BYTES // 4),
    }


@kernel
def _lay_out(
    a: Any, at_a: int, row_of_a: int, next_in_a: int, rows: int, length: int, block: Any
) -> None:
    """a's numbers from `at_a` on into `block`, number p of all rows side by side."""
    numbers = a.ravel()
    if next_in_a == 1:
        for i in range(rows):
            for p in range(length):
                block[0, p * rows + i] = numbers[at_a + i * row_of_a + p]
    else:
        for p in range(length):
            for i in range(rows):
                block[0, p * rows + i] = numbers[at_a + i * row_of_a + p * next_in_a]


@kernel
def _stripes(
    a: Any,
    b: Any,
    bias: Any,
    c: Any,
    rows: int,
    columns: int,
    length: int,
    row_of_a: int,
    next_in_a: int,
    at_b: int,
    row_of_b: int,
    at_c: int,
    at_bias: int,
    done: int,
) -> None:
    """`rows` by `columns` numbers of c from `at_c` on; of each sum, `done` terms are there."""
    row_of_c = c.shape[1]
    stripes = (rows + ROWS - 1) // ROWS
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
            at_b,
            at_c + i * row_of_c,
            at_bias if len(bias) and not done else -1,
            row_of_a,
            next_in_a,
            row_of_b,
            row_of_c,
            length,
            done,
            height,
            columns,
        )
