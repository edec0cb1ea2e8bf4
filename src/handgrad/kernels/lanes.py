"""Vectors in registers, for loops that LLVM does not vectorise by itself.

`load` returns a whole vector of an array, `store` writes one; the functions below compute with them
lane by lane. A vector has `lanes(array)` numbers: the width of a register. An index counts numbers
from the start of the array and is not checked.
"""

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

from handgrad.kernels.exponential import LEAST, LN2, POWERS
from handgrad.kernels.jit import VECTOR_BYTES


class Lanes(types.Type):
    """A vector register of numbers of `dtype`."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        number = manager[kind.dtype].get_value_type()
        super().__init__(manager, kind, ir.VectorType(number, _width(kind.dtype)))


def _width(dtype: Any) -> int:
    width: int = VECTOR_BYTES * 8 // dtype.bitwidth
    return width


@intrinsic  # type: ignore[untyped-decorator]
def lanes(typing_context: Any, array: Any) -> Any:
    """Return the number of lanes of a vector of this array."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.get_value_type(types.intp)(_width(array.dtype))

    return types.intp(array), generate


@intrinsic  # type: ignore[untyped-decorator]
def load(typing_context: Any, array: Any, at: Any) -> Any:
    """Return array[at : at + lanes], of the flattened array."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, array, values)
        return builder.load(place, align=array.dtype.bitwidth // 8)

    return Lanes(array.dtype)(array, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def store(typing_context: Any, array: Any, at: Any, x: Any) -> Any:
    """Write array[at : at + lanes], of the flattened array."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, array, values)
        builder.store(values[2], place, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, x), generate


@intrinsic  # type: ignore[untyped-decorator]
def fill(typing_context: Any, array: Any, number: Any) -> Any:
    """Return a vector for this array with `number` in every lane."""
    kind = Lanes(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _splat(builder, values[1], context.get_value_type(kind))

    return kind(array, array.dtype), generate


@intrinsic  # type: ignore[untyped-decorator]
def multiply_add(typing_context: Any, x: Any, y: Any, z: Any) -> Any:
    """Return x * y + z, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _llvm(builder, "fma", values)

    return x(x, x, x), generate


def _of_two(compute: Callable[[Any, Any, Any], Any]) -> Any:
    """Return an intrinsic that computes lane by lane."""

    def typed(typing_context: Any, x: Any, y: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return compute(builder, *values)

        return x(x, x), generate

    typed.__name__ = compute.__name__
    return intrinsic(typed)


@_of_two
def plus(builder: Any, x: Any, y: Any) -> Any:
    """Return x + y."""
    return builder.fadd(x, y)


@_of_two
def minus(builder: Any, x: Any, y: Any) -> Any:
    """Return x - y."""
    return builder.fsub(x, y)


@_of_two
def times(builder: Any, x: Any, y: Any) -> Any:
    """Return x * y."""
    return builder.fmul(x, y)


@_of_two
def over(builder: Any, x: Any, y: Any) -> Any:
    """Return x / y."""
    return builder.fdiv(x, y)


@_of_two
def largest(builder: Any, x: Any, y: Any) -> Any:
    """Return the larger; x where either is NaN."""
    return builder.select(builder.fcmp_ordered("<", x, y), y, x)


@intrinsic  # type: ignore[untyped-decorator]
def where_reached(typing_context: Any, reach: Any, m: Any, x: Any, y: Any) -> Any:
    """Return x in the lanes where m <= reach, else y."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        limit, number, first, second = values
        return builder.select(
            builder.fcmp_ordered("<=", _splat(builder, number, limit.type), limit), first, second
        )

    return x(reach, reach.dtype, x, x), generate


@intrinsic  # type: ignore[untyped-decorator]
def exp_lanes(typing_context: Any, x: Any) -> Any:
    """Return exp(x) for x at most 0, as exponential.exp_of_negative does."""
    bits = x.dtype.bitwidth
    mantissa, bias = {32: (23, 127), 64: (52, 1023)}[bits]
    high, low = LN2[bits]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = values[0].type

        def constant(number: float) -> Any:
            return ir.Constant(kind, [float(number)] * kind.count)

        def fma(a: Any, b: Any, c: Any) -> Any:
            return _llvm(builder, "fma", [a, b, c])

        least = constant(-LEAST[bits])
        y = builder.select(builder.fcmp_ordered("<", values[0], least), least, values[0])
        k = _llvm(builder, "rint", [builder.fmul(y, constant(math.log2(math.e)))])
        minus_k = builder.fneg(k)
        r = fma(minus_k, constant(low), fma(minus_k, constant(high), y))
        p = constant(POWERS[bits][0])
        for coefficient in POWERS[bits][1:]:
            p = fma(p, r, constant(coefficient))
        value = builder.fadd(constant(1.0), fma(builder.fmul(r, r), p, r))
        integers = ir.VectorType(ir.IntType(bits), kind.count)
        moved = builder.fadd(k, constant(1.5 * 2.0**mantissa + bias))
        shift = ir.Constant(integers, [mantissa] * kind.count)
        scale = builder.bitcast(builder.shl(builder.bitcast(moved, integers), shift), kind)
        return builder.fmul(value, scale)

    return x(x), generate


def _sums(count: int) -> Any:
    """Return the intrinsic that computes out[r] = sum over n of a[n] b[n, r] for r < `count`.

    All are vectors of `array`: a[n] at a + n step_a, b[n, r] at b + n step_b + r next_b, out[r] at
    out + r next_out; `length`, the number of n, is at least 1. If `add`, out[r] before is added.
    LLVM would unroll the loop, and then have more addresses than registers.
    """

    def typed(
        typing_context: Any,
        array: Any,
        a: Any,
        step_a: Any,
        b: Any,
        step_b: Any,
        next_b: Any,
        length: Any,
        out: Any,
        next_out: Any,
        add: Any,
    ) -> Any:
        return types.void(array, *[types.intp] * 8, types.boolean), generate

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array, number = signature.args[0], context.get_value_type(types.intp)
        vector, align = context.get_value_type(Lanes(array.dtype)), array.dtype.bitwidth // 8
        _, a, step_a, b, step_b, next_b, length, out, next_out, add = values

        def place(at: Any) -> Any:
            return _place(context, builder, array, [values[0], at])

        def several(first: Any, step: Any) -> list[Any]:
            places = [first]
            while len(places) < count:
                places.append(_moved(builder, places[-1], step))
            return places

        outs, zero = several(place(out), next_out), ir.Constant(vector, None)
        given = [builder.select(add, builder.load(each, align=align), zero) for each in outs]
        first_a, first_b = place(a), place(b)
        before, loop, after = builder.block, *map(builder.append_basic_block, ("loop", "after"))
        builder.branch(loop)
        builder.position_at_end(loop)
        n, at_a, at_b = builder.phi(number), builder.phi(first_a.type), builder.phi(first_b.type)
        totals = [builder.phi(vector) for _ in outs]
        x = builder.load(at_a, align=align)
        sums = [
            _llvm(builder, "fma", [x, builder.load(each, align=align), total])
            for each, total in zip(several(at_b, next_b), totals, strict=True)
        ]
        following = builder.add(n, number(1))
        next_places = _moved(builder, at_a, step_a), _moved(builder, at_b, step_b)
        phis, starts = (n, at_a, at_b, *totals), (number(0), first_a, first_b, *given)
        for phi, start, new in zip(phis, starts, (following, *next_places, *sums), strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(new, loop)
        jump = builder.cbranch(builder.icmp_signed("<", following, length), loop, after)
        _keep_rolled(builder.module, jump)
        builder.position_at_end(after)
        for each, total in zip(outs, sums, strict=True):
            builder.store(total, each, align=align)
        return context.get_dummy_value()

    return intrinsic(typed)


sum_of_one = _sums(1)
sums_of_four = _sums(4)


def _keep_rolled(module: Any, jump: Any) -> None:
    """Tell LLVM not to unroll the loop that ends with `jump`: its metadata names itself first."""
    disable = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    loop = ir.MDValue(module, [disable], name=str(len(module.metadata)))
    loop.operands = (loop, disable)
    jump.set_metadata("llvm.loop", loop)


def _moved(builder: Any, place: Any, step: Any) -> Any:
    """Return the place of the vector `step` numbers further."""
    number = place.type.pointee.element.as_pointer()
    moved = builder.gep(builder.bitcast(place, number), [step])
    return builder.bitcast(moved, place.type)


def _place(context: Any, builder: Any, array: Any, values: Any) -> Any:
    data = cgutils.create_struct_proxy(array)(context, builder, value=values[0]).data
    vector = ir.VectorType(context.get_value_type(array.dtype), _width(array.dtype))
    return builder.bitcast(builder.gep(data, [values[1]]), vector.as_pointer())


def _splat(builder: Any, number: Any, kind: Any) -> Any:
    nothing, integer = ir.Constant(kind, ir.Undefined), ir.IntType(32)
    first = builder.insert_element(nothing, number, integer(0))
    every = ir.Constant(ir.VectorType(integer, kind.count), [0] * kind.count)
    return builder.shuffle_vector(first, nothing, every)


def _llvm(builder: Any, name: str, values: Any) -> Any:
    """Call LLVM's function for vectors of one type."""
    kind = values[0].type
    bits = {"float": 32, "double": 64}[str(kind.element)]
    full = f"llvm.{name}.v{kind.count}f{bits}"
    declared = ir.FunctionType(kind, [kind] * len(values))
    function = cgutils.get_or_insert_function(builder.module, declared, full)
    return builder.call(function, values)
