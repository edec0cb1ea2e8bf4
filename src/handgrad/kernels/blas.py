"""Large products by SciPy's BLAS, which numba hands on to compiled code as `numba_xxgemm`.

SciPy is loaded at the first such product. A BLAS stores columns: to it, ours are transposed, and it
is given b.T @ a.T to compute.
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
    a_turned: Any,
    b: Any,
    b_turned: Any,
    beta: Any,
    c: Any,
) -> Any:
    """c (M, N) = op(a) @ op(b) + beta c: a is (M, P), or (P, M) where it is turned, b accordingly.

    All are C-contiguous and of one float type; beta is a float64, 0 or 1.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        index, number = context.get_value_type(types.intp), context.get_value_type(a.dtype)
        first, second, result = (
            cgutils.create_struct_proxy(kind)(context, builder, value=values[at])
            for kind, at in ((a, 0), (b, 2), (c, 5))
        )
        rows, columns = cgutils.unpack_tuple(builder, result.shape)
        shapes = [cgutils.unpack_tuple(builder, array.shape) for array in (second, first)]
        length = builder.select(values[1], *shapes[1])
        one, kept = (cgutils.alloca_once(builder, number) for _ in range(2))
        builder.store(number(1.0), one)
        builder.store(context.cast(builder, values[4], beta, a.dtype), kept)
        turned, plain = _CHAR(ord("t")), _CHAR(ord("n"))
        operations = [builder.select(values[at], turned, plain) for at in (3, 1)]
        place = ir.PointerType(number)
        taken = [_CHAR] * 3 + [index] * 3 + [place, place, index, place, index, place, place, index]
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_INT, taken), "numba_xxgemm"
        )
        builder.call(
            function,
            [
                _CHAR(ord(_KINDS[a.dtype.bitwidth])),
                *operations,
                columns,
                rows,
                length,
                one,
                second.data,
                shapes[0][1],
                first.data,
                shapes[1][1],
                kept,
                result.data,
                columns,
            ],
        )
        return context.get_dummy_value()

    return types.void(a, a_turned, b, b_turned, beta, c), generate
