"""Updates of parameters, and the gradient that each of them takes: `W -= lr * g`.

The gradient is what is left of the step without the learning rate. Where it has no name, as in
`W -= lr * (x.T @ d)`, this is the only place that shows it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from handgrad.checker.record.call import Update
from handgrad.checker.record.effects import SET_DATA
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Op, Trace, key_of

FAR = 64
"""How many events back the operations of a statement are looked for."""
STEP = 2_000
"""How many events back a training step is looked for."""
_FILLS = {"__setitem__", "copy_", "written_"}
_FALLS, _RISES = {"sub", "isub", "subtract"}, {"add", "iadd"}
_SCALES = {"mul", "rmul", "imul", "multiply", "div", "truediv", "itruediv", "divide", "neg",
           "clamp", "clip", "clamp_"}  # fmt: skip
"""Functions that change the length of a step alone; clipping counts as one."""
MAKES = {"matmul", "rmatmul", "mm", "bmm", "mv", "einsum", "sum", "outer", "ger", "mean",
         "tensordot", "dot"}  # fmt: skip
"""Functions that end the formula of a parameter's gradient: they add up over the batch."""


def update_of(trace: Trace, value: Tensor, statement: Statement) -> Update | None:
    """Return the update that set `value` in the last statement, None where it is none."""
    op = _maker(trace.events, value)
    if op is not None and op.func == SET_DATA:
        op = _maker(trace.events, op.args[1])
    elif op is not None and name_of(op) in ("copy", "setitem") and isinstance(op.args[-1], Tensor):
        op = _maker(trace.events, op.args[-1])
    if op is None or name_of(op) not in _FALLS | _RISES or len(op.args) < 2:
        return None
    old, step = op.args[0], op.args[1]
    if not isinstance(old, Tensor) or not isinstance(step, Tensor) or old.shape != value.shape:
        return None
    factor = 1.0 if name_of(op) in _FALLS else -1.0
    factor *= _number(op.kwargs.get("alpha", 1))
    levels, scaled = [step], "alpha" in op.kwargs
    while (maker := _maker(trace.events, levels[-1])) is not None:
        inner, number = _unscaled(maker)
        if inner is None:
            break
        scaled, factor = True, factor * number
        if inner is levels[-1]:  # scaled in-place: it may have been a gradient of its own before
            break
        levels.append(inner)
    inner_factor = 1.0 if maker is None else _factor_inside(trace, maker)
    unscaled = not scaled and inner_factor == 1.0
    if unscaled and not (_multiplies(trace, old) and ends_in_sum(trace, step)):
        return None  # dW += x.T @ dz: a sum
    return Update(len(trace), old, tuple(levels), factor * inner_factor, statement)


def _multiplies(trace: Trace, value: Tensor) -> bool:
    """Tell whether a product read the tensor before it changed, as a model reads its weights."""
    key = key_of(value)
    for event in reversed(trace.events[-STEP:-1]):
        if type(event) is not Op or key not in {key_of(t) for t in event.inputs}:
            continue
        if event.writes:
            return False
        if multiplies(event):
            return True
    return False


def multiplies(op: Op) -> bool:
    """Tell whether an operation is a product, or adds up over the batch."""
    return name_of(op) in MAKES


def _factor_inside(trace: Trace, op: Op) -> float:
    """Return the factor of an operand: `lr * x.T @ d` multiplies x.T."""
    factor = 1.0
    for operand in op.inputs if name_of(op) in MAKES else ():
        maker = _maker(trace.events, operand)
        if maker is not None:
            factor *= _unscaled(maker)[1]
    return factor


def ends_in_sum(trace: Trace, value: Tensor) -> bool:
    """Tell whether a product or sum over the batch made the value, as it makes most gradients."""
    maker = _maker(trace.events, value)
    return maker is not None and name_of(maker) in MAKES


def _maker(events: Sequence[object], value: Tensor) -> Op | None:
    """Return the operation among the last ones that made the value or wrote to it."""
    for event in reversed(events[-FAR:]):
        if type(event) is not Op:
            continue
        sets_data = event.func == SET_DATA and event.args[0] is value
        if sets_data or any(t is value for t in event.outputs):
            return event
    return None


def _unscaled(op: Op) -> tuple[Tensor | None, float]:
    """Return what an operation multiplies by a number, and the number."""
    if name_of(op) not in _SCALES or not op.args:
        return None, 1.0
    tensors = [a for a in op.args if isinstance(a, Tensor) and a.numel() > 1]
    if len(tensors) != 1:
        return None, 1.0
    if name_of(op) == "neg":
        return tensors[0], -1.0
    numbers = [a for a in op.args if a is not tensors[0]]
    if "cl" in name_of(op) or not numbers:
        return tensors[0], 1.0
    number = _number(numbers[0])
    return tensors[0], 1 / number if "div" in name_of(op) and number else number


def _number(value: object) -> float:
    with torch._C.DisableTorchFunction():
        return float(value.detach() if isinstance(value, Tensor) else value)  # type: ignore[arg-type]


def name_of(op: Op) -> str:
    """Return the name of the function without underscores: `add` for `__add__` and `add_`."""
    return str(getattr(op.func, "__name__", "")).strip("_")


def fills(op: Op) -> bool:
    """Tell whether an operation puts values into memory: `x[i] = value`, `np.exp(z, out=x)`."""
    name = getattr(op.func, "__name__", "")
    return name in _FILLS or isinstance(op.kwargs.get("out"), Tensor | tuple)


def sets_all(op: Op) -> bool:
    """Tell whether an operation assigns to every element: `x[...] = value`, `x[:] = value`."""
    index = op.args[1] if getattr(op.func, "__name__", "") == "__setitem__" else None
    return index is Ellipsis or (isinstance(index, slice) and index == slice(None))
