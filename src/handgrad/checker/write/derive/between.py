"""A stretch of the graph from one tensor to another, and what it computes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isnan
from typing import Any

from torch import Tensor

from handgrad.checker.record.trace import Op
from handgrad.checker.write.compose.graph import Graph, Value
from handgrad.checker.write.derive.verify import Values
from handgrad.checker.write.rules.rule import Forms

ALIKE = 1e-6
"""Relative to the largest element: values of the float64 replay differ by rounding alone; that of
n from n - 1 in a variance is told in half a million rows."""


@dataclass(frozen=True)
class Between:
    """The operations from one value to another, and the other values with a gradient they read."""

    start: Value
    end: Value
    ops: tuple[Op, ...]
    others: tuple[Value, ...]


@dataclass(frozen=True)
class Block:
    """A stretch that a closed form undoes: `values` are the arguments of `forms`."""

    name: str
    between: Between
    values: Mapping[str, Any]
    forms: Forms | Callable[..., Forms]


def between(graph: Graph, start: Value, end: Value) -> Between | None:
    """Return what lies between, if nothing of it is used elsewhere and no more than gain and bias
    come in."""
    reached, ops = {id(start)}, []
    for op in graph.ops:
        if start.at <= op.index < end.at and any(
            id(v) in reached for v in graph.reads[op.index].values()
        ):
            ops.append(op)
            reached |= {id(v) for v in graph.made[op.index] if v.live}
    wanted, kept = {id(end)}, []
    for op in reversed(ops):
        if any(id(v) in wanted for v in graph.made[op.index]):
            kept.append(op)
            wanted |= {id(v) for v in graph.reads[op.index].values() if v.live}
    if id(start) not in wanted or id(end) not in reached or not kept:
        return None
    own = {op.index for op in kept}
    made = {id(v) for op in kept for v in graph.made[op.index]}
    others: dict[int, Value] = {}
    for op in kept:
        for value in graph.reads[op.index].values():
            if value.live and value is not start and id(value) not in made:
                others[id(value)] = value
        for value in graph.made[op.index]:
            live = [u for u in graph.users.get(id(value), ()) if _is_live(graph, u)]
            if value is not end and any(u.index not in own for u in live):
                return None
    if len(others) > 2 or any(v.tensor.numel() > start.tensor.numel() for v in others.values()):
        return None
    return Between(start, end, tuple(reversed(kept)), tuple(others.values()))


def _is_live(graph: Graph, op: Op) -> bool:
    return any(v.live for v in graph.made[op.index])


class Held:
    """What a value holds in float64: as replayed; where it was written over since, as recorded."""

    def __init__(self, graph: Graph, exact: Values) -> None:
        self.graph, self.exact = graph, exact

    def __call__(self, value: Value) -> Tensor:
        if value.until is None and not value.spoilt:
            return self.exact.of(value.tensor).double()
        return self.graph.forward.trace.at(value.tensor, max(value.at, 0)).detach().double()


def apart(a: Tensor, b: Tensor) -> float:
    """Return how far two tensors are apart, relative to the largest element of the second."""
    if a.shape != b.shape or not a.numel():
        return inf
    far = float((a - b).abs().max() / b.abs().max())
    return inf if isnan(far) else far


def alike(a: Tensor, b: Tensor) -> bool:
    return apart(a, b) <= ALIKE
