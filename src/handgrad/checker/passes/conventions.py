"""Forward passes whose gradient may be written in more than one right way.

A small number keeps a logarithm finite, `-np.log(p + 1e-7)`: everybody derives the gradient without
it. Where a maximum is reached twice (pooling over a ReLU's zeros), each element may get the
gradient. What these choices change counts as rounding.

The maximum that keeps a softmax from overflowing has the gradient 0. Without it the gradient is the
same, but it rounds otherwise: where the softmax is saturated, it has more noise.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.record.trace import Op, key_of

SMALL = 1e-5
"""A larger number in a logarithm means something: log(1e-3 + x)."""
MOVE = 2.0**-48
"""Ties are broken by so much, relative to the numbers: above a float64's last bit, and no more."""
LARGEST = 2**22
"""No ties are looked for among more numbers: this would take longer than the pass."""
_LOGS = {"log", "log2", "log10"}
_SUMS = {"add", "__add__", "__radd__"}
_DIFFERENCES = {"sub", "__sub__", "subtract"}
EXTREMES = {"amax", "amin", "max", "min"}
_POOLS = {"max_pool1d", "max_pool2d", "max_pool3d"}


def variants(forward: ForwardPass) -> Iterator[ForwardPass]:
    """Yield the pass with each other choice that changes its gradients."""
    ops = [e for e in forward.events if type(e) is Op]
    logged = {id(t) for op in ops if _name(op) in _LOGS for t in op.inputs}
    guards = [
        replace(op, args=tuple(0.0 if _is_guard(a) else a for a in op.args))
        for op in ops
        if _name(op) in _SUMS
        if any(id(t) in logged for t in op.outputs) and any(map(_is_guard, op.args))
    ]
    equal = [op for op in ops if _is_tied(forward, op)]
    for changed in (guards, [_moved(op, 1) for op in equal], [_moved(op, -1) for op in equal]):
        if changed:
            by_index = {op.index: op for op in changed}
            events = [by_index.get(e.index, e) if type(e) is Op else e for e in forward.events]
            yield replace(forward, events=events)


def tied(forward: ForwardPass) -> set[int]:
    """Return the storages of numbers that are equal where the largest or smallest is taken."""
    ops = (e for e in forward.events if type(e) is Op)
    return {key_of(op.inputs[0]) for op in ops if _is_tied(forward, op)}


def unshifted(forward: ForwardPass) -> ForwardPass | None:
    """Return the pass with no gradient to a maximum that is subtracted from its own numbers."""
    ops = [e for e in forward.events if type(e) is Op]
    shifted = {
        (id(op.args[0]), key_of(op.args[1]))
        for op in ops
        if _name(op) in _DIFFERENCES and len(op.args) == 2
        if all(isinstance(a, Tensor) for a in op.args)
    }
    events = [_detached(e) if type(e) is Op and _shifts(e, shifted) else e for e in forward.events]
    return replace(forward, events=events) if events != list(forward.events) else None


def _shifts(op: Op, shifted: set[tuple[int, int]]) -> bool:
    return _name(op) in EXTREMES and any(
        (id(x), key_of(t)) in shifted for x in op.inputs for t in op.outputs
    )


def _detached(op: Op) -> Op:
    """Return the operation without a gradient."""

    @wraps(op.func)
    def func(*args: Any, **kwargs: Any) -> Any:
        with torch.no_grad():
            return op.func(*args, **kwargs)

    return replace(op, func=func)


def _name(op: Op) -> str:
    return getattr(op.func, "__name__", "")


def _is_guard(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < abs(value) <= SMALL


def _is_tied(forward: ForwardPass, op: Op) -> bool:
    """Tell whether it takes the largest or smallest of numbers, and some of them are equal."""
    if _name(op) not in EXTREMES | _POOLS or len(op.inputs) != 1 or op.inputs[0].numel() > LARGEST:
        return False
    value = forward.trace.at(op.inputs[0], op.index).detach()
    ordered = value.flatten().sort().values
    return value.is_floating_point() and bool((ordered[1:] == ordered[:-1]).any())


def _moved(op: Op, sign: int) -> Op:
    """Return the operation with ties in its first input broken, for or against later elements."""

    @wraps(op.func)
    def func(*args: Any, **kwargs: Any) -> Any:
        first, *rest = args
        if isinstance(first, Tensor) and first.numel():
            with torch.no_grad():
                steps = torch.arange(1, first.numel() + 1, dtype=first.dtype, device=first.device)
                scale = first.abs() + torch.finfo(first.dtype).tiny / MOVE**2
                move = sign * MOVE * scale * (steps / first.numel()).reshape(first.shape)
            first = first + move
        return op.func(first, *rest, **kwargs)

    return replace(op, func=func)
