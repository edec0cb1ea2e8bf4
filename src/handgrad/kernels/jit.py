"""How kernels are compiled, and what plain Python cannot say to the compiler.

numba, LLVM: a loop over the long contiguous axis in plain arithmetic becomes vector instructions.
What it may not do stands in FASTMATH.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

FASTMATH = {"reassoc", "contract", "nsz", "arcp"}
"""Sums in any order, a product and a sum as one operation, no signed zeros, x / y as x * (1 / y).
Neither "nnan" nor "ninf": an infinity or NaN comes out as it went in."""

_BYTES = {"avx512f": 64, "avx2": 32}
_HOST = llvm.get_host_cpu_features()
VECTOR_BYTES = next((wide for name, wide in _BYTES.items() if _HOST.get(name)), 16)
"""A register's width."""

_F = TypeVar("_F", bound=Callable[..., Any])


OPTIONS = {"fastmath": FASTMATH, "error_model": "numpy"}
"""Division by zero gives infinity: a test and a jump would keep loops from vectorising."""


def kernel(function: _F) -> _F:
    """Compiled when first called from compiled code; holds no lock of Python's while it runs."""
    return _compiled(function)


def inlined(function: _F) -> _F:
    """As `kernel`, but part of what calls it: for a few lines, not compiled by themselves."""
    return _compiled(function, inline="always")


def cached(function: _F) -> _F:
    """As `kernel`, and kept on disk beside the function's file."""
    return _compiled(function, cache=True)


def _compiled(function: _F, **more: Any) -> _F:
    compiled: _F = numba.njit(nogil=True, **OPTIONS, **more)(function)
    return compiled


@intrinsic  # type: ignore[untyped-decorator]
def power_of_two(typing_context: Any, exponent: Any, like: Any) -> Any:
    """2**exponent in the type of `like`, by writing the exponent's bits; exponent is an int32."""
    mantissa, bias = {32: (23, 127), 64: (52, 1023)}[like.bitwidth]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        integer = ir.IntType(like.bitwidth)
        wide = values[0] if like.bitwidth == 32 else builder.sext(values[0], integer)
        bits = builder.shl(builder.add(wide, integer(bias)), integer(mantissa))
        return builder.bitcast(bits, context.get_value_type(like))

    return like(types.int32, like), generate
