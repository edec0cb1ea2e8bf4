"""How kernels are compiled, and what plain Python cannot say to the compiler.

numba, LLVM: a loop over the long contiguous axis in plain arithmetic becomes vector instructions.
What it may not do stands in FASTMATH.
"""

import inspect
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.compiler import Flags, compile_internal
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

FASTMATH = {"reassoc", "contract", "nsz", "arcp"}
"""Sums in any order, a product and a sum as one operation, no signed zeros, x / y as x * (1 / y).
Neither "nnan" nor "ninf": an infinity or NaN comes out as it went in."""

_BYTES = {"avx512f": 64, "avx2": 32}
_HOST = llvm.get_host_cpu_features()
VECTOR_BYTES = next((wide for name, wide in _BYTES.items() if _HOST.get(name)), 16)
"""A register's width."""

_F = TypeVar("_F", bound=Callable[..., Any])


OPTIONS = {"fastmath": FASTMATH, "error_model": "numpy", "no_rewrites": True, "_nrt": False}
"""Division by zero gives infinity: a test and a jump would keep loops from vectorising. Nothing is
allocated: no rewriting of array expressions, no counting of references."""


def kernel(function: _F) -> _F:
    """A function for compiled ones to call: machine code of its own, once in each of them.

    It says by its annotation whether it returns nothing or a float (float64). numba's own way,
    another `njit`, compiles each twice, and for Python too: more than half of a step's compiling.
    """
    parameters = inspect.signature(function).parameters.values()
    returns = {None: types.none, float: types.float64}[function.__annotations__["return"]]

    def typed(typing_context: Any, *arguments: Any) -> Any:
        return returns(*arguments), generate

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        part = context.declare_function(builder.module, _part(context, function, signature))
        # a kernel that many lines call would be compiled for each of them
        _, result = context.call_conv.call_function(
            builder, part, signature.return_type, signature.args, values, attrs=["noinline"]
        )
        return result  # no kernel raises: there is no error to look for

    first = inspect.Parameter("typing_context", inspect.Parameter.POSITIONAL_ONLY)
    typed.__name__ = function.__name__
    typed.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
    made: Any = intrinsic(typed)
    made.py_func = function  # as numba's own have it
    compiled: _F = made
    return compiled


_PARTS: "weakref.WeakKeyDictionary[Any, dict[Any, Any]]" = weakref.WeakKeyDictionary()
"""For each library of machine code, what it has of each kernel and types."""


def _part(context: Any, function: Any, signature: Any) -> Any:
    library = context.active_code_library
    parts = _PARTS.setdefault(library, {})
    key = function, signature.args
    if key not in parts:
        flags = Flags()
        cpu_target.options.parse_as_flags(flags, {"nopython": True, **OPTIONS})
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        types_of = signature.args, signature.return_type
        made = compile_internal(
            context.typing_context, context, library, function, *types_of, flags, {}
        )
        parts[key] = made.fndesc
    return parts[key]


def inlined(function: _F) -> _F:
    """As `kernel`, but a part of what calls it: for a few lines, and for numbers of any type."""
    return _compiled(function, inline="always")


def cached(function: _F) -> _F:
    """Compiled when first called from Python, and kept on disk beside the function's file; holds
    no lock of Python's while it runs."""
    return _compiled(function, nogil=True, cache=True, no_cfunc_wrapper=True)


def called(function: _F) -> _F:
    """As `cached`, but kept for this process only."""
    return _compiled(function, nogil=True)


def _compiled(function: _F, **more: Any) -> _F:
    compiled: _F = numba.njit(**OPTIONS, **more)(function)
    return compiled


@intrinsic  # type: ignore[untyped-decorator]
def nearest(typing_context: Any, x: Any) -> Any:
    """The whole number nearest to x, as a float; NaN for NaN, which no integer could stand for."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _llvm(builder, "rint", values)

    return x(x), generate


@intrinsic  # type: ignore[untyped-decorator]
def without_product(typing_context: Any, x: Any, y: Any, z: Any) -> Any:
    """x - y * z, rounded once; and nothing of it is taken out to be added to something else."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        first, second, third = values
        return _llvm(builder, "fma", [builder.fneg(second), third, first])

    return x(x, x, x), generate


def _llvm(builder: Any, name: str, values: Any) -> Any:
    """LLVM's own function of numbers of one type."""
    kind = values[0].type
    full = f"llvm.{name}.{kind.intrinsic_name}"
    declared = ir.FunctionType(kind, [kind] * len(values))
    function = cgutils.get_or_insert_function(builder.module, declared, full)
    return builder.call(function, values)


@intrinsic  # type: ignore[untyped-decorator]
def power_of_two(typing_context: Any, exponent: Any) -> Any:
    """2**exponent of a whole float, by its bits: added to 1.5 * 2**mantissa + bias, it stands with
    the bias in the lowest, from where it is moved to the exponent's place."""
    mantissa, bias = {32: (23, 127), 64: (52, 1023)}[exponent.bitwidth]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind, integer = values[0].type, ir.IntType(exponent.bitwidth)
        moved = builder.fadd(values[0], kind(1.5 * 2.0**mantissa + bias))
        bits = builder.bitcast(moved, integer)
        return builder.bitcast(builder.shl(bits, integer(mantissa)), kind)

    return exponent(exponent), generate


@intrinsic  # type: ignore[untyped-decorator]
def larger(typing_context: Any, x: Any, y: Any) -> Any:
    """x if x >= y else y, as one instruction: a loop of jumps would not vectorise."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">=", *values), *values)

    return x(x, x), generate


@intrinsic  # type: ignore[untyped-decorator]
def flat(typing_context: Any, array: Any) -> Any:
    """`array`, C-contiguous, as one axis: `ravel` would be compiled for each type, and count."""
    line = array.copy(ndim=1)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        given = make_array(array)(context, builder, value=values[0])
        made = make_array(line)(context, builder)
        populate_array(
            made,
            data=given.data,
            shape=[given.nitems],
            strides=[given.itemsize],
            itemsize=given.itemsize,
            meminfo=given.meminfo,
            parent=given.parent,
        )
        return made._getvalue()

    return line(array), generate
