"""Large products by SciPy's BLAS, which numba provides to compiled code as `numba_xxgemm`.

SciPy is loaded at the first such product. BLAS is column-major: it sees our arrays transposed and
computes b.T @ a.T.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_CHAR, _INT = ir.IntType(8), ir.IntType(32)
_KINDS = {32: "s", 64: "d"}


@intrinsic  # type: ignore[untyped-decorator]
def gemm(
    typing_context: Any,
    a: Any,
    a_transposed: Any,
    b: Any,
    b_transposed: Any,
    added: Any,
    c: Any,
    i: Any,
    i_end: Any,
    j: Any,
    j_end: Any,
) -> Any:
    """Compute c = op(a) @ op(b), plus c if `added`; only rows i to i_end and columns j to j_end.

    c is (M, N), a (M, P), or (P, M) if it is transposed, and b accordingly. All are C-contiguous
    and of one float type.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        index, number = context.get_value_type(types.intp), context.get_value_type(a.dtype)
        first, second, result = (
            cgutils.create_struct_proxy(kind)(context, builder, value=values[at])
            for kind, at in ((a, 0), (b, 2), (c, 5))
        )
        a_op, b_op, row, row_end, column, column_end = (values[n] for n in (1, 3, 6, 7, 8, 9))
        widths = [cgutils.unpack_tuple(builder, x.shape)[1] for x in (first, second, result)]
        of_a, of_b, of_c = widths
        length = builder.select(a_op, *cgutils.unpack_tuple(builder, first.shape))
        at_a = builder.select(a_op, row, builder.mul(row, of_a))
        at_b = builder.select(b_op, builder.mul(column, of_b), column)
        at_c = builder.add(builder.mul(row, of_c), column)
        alpha, beta = (cgutils.alloca_once(builder, number) for _ in range(2))
        builder.store(number(1.0), alpha)
        builder.store(builder.select(values[4], number(1.0), number(0.0)), beta)
        transposed, plain = _CHAR(ord("t")), _CHAR(ord("n"))
        place = ir.PointerType(number)
        taken = [_CHAR] * 3 + [index] * 3 + [place, place, index, place, index, place, place, index]
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_INT, taken), "numba_xxgemm"
        )
        builder.call(
            function,
            [
                _CHAR(ord(_KINDS[a.dtype.bitwidth])),
                builder.select(b_op, transposed, plain),
                builder.select(a_op, transposed, plain),
                builder.sub(column_end, column),
                builder.sub(row_end, row),
                length,
                alpha,
                builder.gep(second.data, [at_b]),
                of_b,
                builder.gep(first.data, [at_a]),
                of_a,
                beta,
                builder.gep(result.data, [at_c]),
                of_c,
            ],
        )
        return context.get_dummy_value()

    return types.void(a, a_transposed, b, b_transposed, added, c, i, i_end, j, j_end), generate
