"""The transpose of a matrix, by squares of vectors in registers.

A square is transposed in log2(width) steps. Each step exchanges, within every pair of rows d apart,
the upper half of each 2 d columns of one row with the lower half of the other's (Eklundh 1972).
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from handgrad.kernels.jit import VECTOR_BYTES, inlined, kernel
from handgrad.kernels.team import LINE, share


@inlined
def transpose(a: Any, out: Any, thread: int, team: Any) -> None:
    """Compute out (N, M) = a.T, a (M, N); both C-contiguous, of one float type."""
    begin, end = share(a.shape[0], LINE, thread, team)
    transpose_part(a, begin, end - begin, a.shape[1], out, 0, begin)


@inlined
def transpose_part(
    a: Any, from_row: int, rows: int, columns: int, out: Any, to_row: int, to_column: int
) -> None:
    """Compute out[to_row + j, to_column + i] = a[from_row + i, j], i < `rows`, j < `columns`."""
    transpose_block(a, from_row, 0, rows, columns, out, to_row, to_column)


@kernel
def transpose_block(
    a: Any,
    from_row: int,
    from_column: int,
    rows: int,
    columns: int,
    out: Any,
    to_row: int,
    to_column: int,
) -> None:
    """Compute out[to_row + j, to_column + i] = a[from_row + i, from_column + j] of a block of a."""
    width = VECTOR_BYTES // a.itemsize
    if rows < width or columns < width:
        for i in range(rows):
            for j in range(columns):
                out[to_row + j, to_column + i] = a[from_row + i, from_column + j]
        return
    row_of_a, row_of_out = a.shape[1], out.shape[1]
    for i in range(0, rows, width):
        row = min(i, rows - width)  # the last squares overlap the previous ones
        for j in range(0, columns, width):
            column = min(j, columns - width)
            at_a = (from_row + row) * row_of_a + from_column + column
            at_out = (to_row + column) * row_of_out + to_column + row
            _square(a, out, at_a, at_out, row_of_a, row_of_out)


@intrinsic  # type: ignore[untyped-decorator]
def _square(
    typing_context: Any, a: Any, out: Any, at_a: Any, at_out: Any, row_of_a: Any, row_of_out: Any
) -> Any:
    """Transpose one square, from index `at_a` of a to index `at_out` of out."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        align = a.dtype.bitwidth // 8
        width = VECTOR_BYTES // align
        vector = ir.VectorType(context.get_value_type(a.dtype), width)
        index = context.get_value_type(types.intp)

        def places(array: Any, value: Any, at: Any, row: Any) -> list[Any]:
            data = cgutils.create_struct_proxy(array)(context, builder, value=value).data
            first = builder.gep(data, [at])
            return [
                builder.bitcast(
                    builder.gep(first, [builder.mul(row, index(nth))]), vector.as_pointer()
                )
                for nth in range(width)
            ]

        sources = places(a, values[0], values[2], values[4])
        rows = [builder.load(place, align=align) for place in sources]
        distance = 1
        while distance < width:
            rows = _exchanged(builder, rows, distance)
            distance *= 2
        for row, place in zip(rows, places(out, values[1], values[3], values[5]), strict=True):
            builder.store(row, place, align=align)
        return context.get_dummy_value()

    return types.void(a, out, *([types.intp] * 4)), generate


def _exchanged(builder: Any, rows: list[Any], distance: int) -> list[Any]:
    width = len(rows)
    mask = ir.VectorType(ir.IntType(32), width)
    upper = [bool(lane & distance) for lane in range(width)]
    # lanes from `width` on are those of the second row
    first = [width + lane - distance if up else lane for lane, up in enumerate(upper)]
    second = [width + lane if up else lane + distance for lane, up in enumerate(upper)]
    exchanged = list(rows)
    for row in range(width):
        if not row & distance:
            pair = rows[row], rows[row + distance]
            exchanged[row] = builder.shuffle_vector(*pair, ir.Constant(mask, first))
            exchanged[row + distance] = builder.shuffle_vector(*pair, ir.Constant(mask, second))
    return exchanged
