"""How kernels are compiled, and what plain Python cannot express for the compiler.

numba and LLVM turn a loop over the long contiguous axis in plain arithmetic into vector
instructions. FASTMATH lists the permitted transformations.
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
"""Sums in any order, product and sum as one operation, no signed zeros, x / y as x * (1 / y).
Neither "nnan" nor "ninf": infinity and NaN propagate.
"""

_BYTES = {"avx512f": 64, "avx2": 32}
_HOST = llvm.get_host_cpu_features()
VECTOR_BYTES = next((wide for name, wide in _BYTES.items() if _HOST.get(name)), 16)
"""Width of a vector register."""

_F = TypeVar("_F", bound=Callable[..., Any])


OPTIONS = {"fastmath": FASTMATH, "error_model": "numpy", "no_rewrites": True, "_nrt": False}
"""Division by zero gives infinity: a test with a jump would prevent vectorisation. Nothing is
allocated: array expressions are not rewritten, references are not counted.
"""


def kernel(function: _F) -> _F:
    """Compile a function for compiled callers: separate machine code, once per caller.

    The annotation must state whether it returns nothing or a float (float64). numba's own way,
    another `njit`, compiles each function twice, and once more for Python: more than half of the
    time that a step takes to compile.
    """
    parameters = inspect.signature(function).parameters.values()
    returns = {None: types.none, float: types.float64}[function.__annotations__["return"]]

    def typed(typing_context: Any, *arguments: Any) -> Any:
        return returns(*arguments), generate

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        part = context.declare_function(builder.module, _part(context, function, signature))
        # noinline: a kernel with many call sites would be compiled for each of them
        _, result = context.call_conv.call_function(
            builder, part, signature.return_type, signature.args, values, attrs=["noinline"]
        )
        return result  # kernels do not raise, so the status is ignored

    first = inspect.Parameter("typing_context", inspect.Parameter.POSITIONAL_ONLY)
    typed.__name__ = function.__name__
    typed.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
    compiled: Any = intrinsic(typed)
    compiled.py_func = function  # as in numba's functions
    result: _F = compiled
    return result


_PARTS: "weakref.WeakKeyDictionary[Any, dict[Any, Any]]" = weakref.WeakKeyDictionary()
"""Library of machine code -> (kernel, types) -> its function there."""


def _part(context: Any, function: Any, signature: Any) -> Any:
    library = context.active_code_library
    parts = _PARTS.setdefault(library, {})
    key = function, signature.args
    if key not in parts:
        flags = Flags()
        cpu_target.options.parse_as_flags(flags, {"nopython": True, **OPTIONS})
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        types_of = signature.args, signature.return_type
        compiled = compile_internal(
            context.typing_context, context, library, function, *types_of, flags, {}
        )
        parts[key] = compiled.fndesc
    return parts[key]


def inlined(function: _F) -> _F:
    """Compile as `kernel`, but inline into the caller: for short functions of any number type."""
    return _compiled(function, inline="always")


def cached(function: _F) -> _F:
    """Compile at the first call from Python, without Python's global interpreter lock.

    engine/compiled/build.py gives the function its cache on disk; numba's own checks nothing that
    it loads.
    """
    return _compiled(function, nogil=True, no_cfunc_wrapper=True)


def called(function: _F) -> _F:
    """Compile as `cached`, but for this process only."""
    return _compiled(function, nogil=True)


def _compiled(function: _F, **more: Any) -> _F:
    compiled: _F = numba.njit(**OPTIONS, **more)(function)
    return compiled


@intrinsic  # type: ignore[untyped-decorator]
def nearest(typing_context: Any, x: Any) -> Any:
    """Return the integer nearest to x, as a float; NaN for NaN, which an integer cannot express."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _llvm(builder, "rint", values)

    return x(x), generate


@intrinsic  # type: ignore[untyped-decorator]
def without_product(typing_context: Any, x: Any, y: Any, z: Any) -> Any:
    """Return x - y * z, rounded once; the compiler may not rearrange it."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        first, second, third = values
        return _llvm(builder, "fma", [builder.fneg(second), third, first])

    return x(x, x, x), generate


def _llvm(builder: Any, name: str, values: Any) -> Any:
    """Call LLVM's function for numbers of one type."""
    kind = values[0].type
    full = f"llvm.{name}.{kind.intrinsic_name}"
    declared = ir.FunctionType(kind, [kind] * len(values))
    function = cgutils.get_or_insert_function(builder.module, declared, full)
    return builder.call(function, values)


@intrinsic  # type: ignore[untyped-decorator]
def power_of_two(typing_context: Any, exponent: Any) -> Any:
    """Return 2**exponent of an integral float, by its bits.

    Added to 1.5 * 2**mantissa + bias, the exponent plus the bias is in the lowest bits; a shift
    moves it to the position of the exponent.
    """
    mantissa, bias = {32: (23, 127), 64: (52, 1023)}[exponent.bitwidth]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind, integer = values[0].type, ir.IntType(exponent.bitwidth)
        moved = builder.fadd(values[0], kind(1.5 * 2.0**mantissa + bias))
        bits = builder.bitcast(moved, integer)
        return builder.bitcast(builder.shl(bits, integer(mantissa)), kind)

    return exponent(exponent), generate


@intrinsic  # type: ignore[untyped-decorator]
def larger(typing_context: Any, x: Any, y: Any) -> Any:
    """Return x if x >= y else y, as one instruction: a jump would prevent vectorisation."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">=", *values), *values)

    return x(x, x), generate


@intrinsic  # type: ignore[untyped-decorator]
def rows(typing_context: Any, array: Any, count: Any) -> Any:
    """Return the first `count` rows of `array`, C-contiguous; not checked."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        given = make_array(array)(context, builder, value=values[0])
        shape = cgutils.unpack_tuple(builder, given.shape)
        strides = cgutils.unpack_tuple(builder, given.strides)
        first = make_array(array)(context, builder)
        populate_array(
            first,
            data=given.data,
            shape=[values[1], *shape[1:]],
            strides=strides,
            itemsize=given.itemsize,
            meminfo=given.meminfo,
            parent=given.parent,
        )
        return first._getvalue()

    return array(array, count), generate


@intrinsic  # type: ignore[untyped-decorator]
def flat(typing_context: Any, array: Any) -> Any:
    """Return `array`, C-contiguous, as one axis. numba would compile `ravel` for each type."""
    line = array.copy(ndim=1)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        given = make_array(array)(context, builder, value=values[0])
        flattened = make_array(line)(context, builder)
        populate_array(
            flattened,
            data=given.data,
            shape=[given.nitems],
            strides=[given.itemsize],
            itemsize=given.itemsize,
            meminfo=given.meminfo,
            parent=given.parent,
        )
        return flattened._getvalue()

    return line(array), generate


@intrinsic  # type: ignore[untyped-decorator]
def integers(typing_context: Any, array: Any) -> Any:
    """Return the memory of `array`, floats, as integers of the same width: for indices."""
    of_bits = {32: types.int32, 64: types.int64}[array.dtype.bitwidth]
    whole = array.copy(dtype=of_bits)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        given = make_array(array)(context, builder, value=values[0])
        other = make_array(whole)(context, builder)
        populate_array(
            other,
            data=builder.bitcast(given.data, context.get_data_type(of_bits).as_pointer()),
            shape=given.shape,
            strides=given.strides,
            itemsize=given.itemsize,
            meminfo=given.meminfo,
            parent=given.parent,
        )
        return other._getvalue()

    return whole(array), generate
