"""Wrong for a range of values, or along a dimension in the wrong direction."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.checker.functions.runs.bench import doubles

LARGE = (64, 65, 31)
"""Sizes at which there are enough values on both sides of a limit."""
LEAST = 8
"""So many elements must be right, and so many wrong."""


@cause("HG190", "wrong for a range of values", turn=Turn.OPERATION)
def value_range(e: FunctionEvidence) -> FunctionFinding | None:
    """The gradient is wrong exactly where a value lies beyond a limit.

    What
        One branch of a function that is defined in pieces has another's derivative, or none.
    Why
        relu, clamp, a hinge, elu, a mask: the condition of forward belongs into backward too.
    Wrong
        return dout                       # of x.clamp(-1, 1)
    Right
        return dout * (x.abs() < 1)
    """
    if e.sample.ties or e.kind != "wrong" or e.quantity.kind != "gradient" or not e.comparable:
        return None
    letters = dict(zip(e.sample.size_of, LARGE, strict=False))
    large = e.at(e.sample.sized(letters)) or e
    wrong = large.mask
    count = int(wrong.sum())
    if min(count, wrong.numel() - count) < LEAST:
        return None
    for name, value in _values(large):
        for text, number in ((name, value), (f"|{name}|", value.abs())):
            limit = _limit(number[wrong], number[~wrong])
            if limit is None:
                continue
            side, bound = limit
            where = f"{text} {side} {_rounded(bound)}"
            effect = _effect(large, wrong)
            return FunctionFinding(
                f"Wrong only where {where}{effect}; elsewhere it is right.",
                f"Use the condition of forward in backward: another derivative holds where "
                f"{where}.",
            )
    return None


@cause("HG191", "wrong direction", turn=Turn.FORMULA)
def direction(e: FunctionEvidence) -> FunctionFinding | None:
    """A cumulative sum, a shift or a causal mask runs forward in backward too.

    What
        The gradient is that of the reversed operation.
    Why
        What reaches later elements in forward comes back from later elements: backward runs the
        other way.
    Wrong
        return dout.cumsum(1)             # of x.cumsum(1)
    Right
        return dout.flip(1).cumsum(1).flip(1)
    """
    if not e.comparable or e.quantity.kind != "gradient":
        return None
    shape = e.right.shape
    for dim, size in enumerate(shape):
        if size < 3:
            continue
        values = [_flipped(v, shape, dim) for v in doubles(e.truth.values)]
        upstream = [_flipped(u, shape, dim) for u in doubles(e.truth.upstream)]
        result = e.with_changes(values=values, upstream=upstream)
        if result is not None and e.explains(result.flip(dim)):
            return FunctionFinding(
                f"The gradient runs along dimension {dim} in the wrong direction: it is that of "
                f"the reference on reversed elements.",
                f"Run backward in the opposite order along dimension {dim}: .flip({dim}) before "
                f"and after, or a shift by the negative.",
            )
    return None


def _flipped(value: Any, shape: torch.Size, dim: int) -> Any:
    """Return the value reversed along `dim`, if it has the shape of the gradient."""
    return value.flip(dim) if isinstance(value, Tensor) and value.shape == shape else value


def _values(e: FunctionEvidence) -> Iterator[tuple[str, Tensor]]:
    """Yield the values of the gradient's shape: inputs, their pairs, outputs."""
    inputs = [(e.name(i), v) for i, v in e.floating_inputs() if v.shape == e.right.shape]
    yield from inputs
    for i, (first, a) in enumerate(inputs):
        for second, b in inputs[i + 1 :]:
            yield f"{first} - {second}", a - b
            yield f"{first} * {second}", a * b
    for i in e.truth.outputs:
        output = e.truth.call.outputs[i].detach()
        if output.shape == e.right.shape:
            yield "the output" if len(e.truth.outputs) == 1 else f"output {i}", output


def _limit(wrong: Tensor, right: Tensor) -> tuple[str, float] | None:
    """Return the side and the limit that tell wrong from right values, if one does."""
    if float(wrong.max()) < float(right.min()):
        return "<", _between(float(wrong.max()), float(right.min()))
    if float(wrong.min()) > float(right.max()):
        return ">", _between(float(right.max()), float(wrong.min()))
    return None


def _between(low: float, high: float) -> float:
    """Return the roundest number between two."""
    for step in (1.0, 0.5, 0.1, 0.05, 0.01):
        number = round((low + high) / 2 / step) * step
        if low <= number <= high:
            return number
    return (low + high) / 2


def _rounded(number: float) -> str:
    return f"{number:.3g}" if number else "0"


def _effect(e: FunctionEvidence, wrong: Tensor) -> str:
    hand = e.hand.double()[wrong]
    if not bool(hand.any()):
        return ", where it is 0"
    upstream = e.truth.upstream[0] if len(e.truth.upstream) == 1 else None
    if upstream is not None and upstream.shape == e.right.shape:
        given = upstream.double()[wrong]
        if torch.allclose(hand, given, rtol=1e-5):
            return ", where the upstream gradient passes unchanged"
    if not bool(e.right[wrong].any()):
        return ", where it should be 0"
    return ""
