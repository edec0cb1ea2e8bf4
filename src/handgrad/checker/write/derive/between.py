"""The part of the graph between two tensors, and the values that it computes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isnan
from typing import Any

from torch import Tensor

from handgrad.checker.record.trace import Op
from handgrad.checker.write.compose.graph import Graph, Value
from handgrad.checker.write.derive.verify import TensorValues
from handgrad.checker.write.rules.rule import Forms

ALIKE = 1e-6
"""Largest difference, relative to the largest element, between two float64 tensors taken as equal.

A float64 replay differs by rounding alone, far below this. Dividing a variance by n instead of
n - 1 exceeds it up to half a million rows; with more rows the two cannot be told apart.
"""


@dataclass(frozen=True)
class Subgraph:
    """The operations from one value to another, and the other live values that they read."""

    start: Value
    end: Value
    ops: tuple[Op, ...]
    others: tuple[Value, ...]


@dataclass(frozen=True)
class Block:
    """A subgraph with a closed-form backward. `values` are the arguments of `forms`."""

    name: str
    subgraph: Subgraph
    values: Mapping[str, Any]
    forms: Forms | Callable[..., Forms]


def between(graph: Graph, start: Value, end: Value) -> Subgraph | None:
    """Return the subgraph from `start` to `end`, or None if it cannot be a block.

    Nothing inside a block is used elsewhere, and it reads at most two other live values, a gain and
    a bias, neither larger than `start`.
    """
    ops = _ops_between(graph, start, end)
    if ops is None:
        return None
    inside = {op.index for op in ops}
    results = {id(v) for op in ops for v in graph.results[op.index]}
    others: dict[int, Value] = {}
    for op in ops:
        for value in graph.reads[op.index].values():
            if value.live and value is not start and id(value) not in results:
                others[id(value)] = value
        for value in graph.results[op.index]:
            outside = (u for u in graph.users.get(id(value), ()) if u.index not in inside)
            used = any(v.live for user in outside for v in graph.results[user.index])
            if used and value is not end:
                return None
    if len(others) > 2 or any(v.tensor.numel() > start.tensor.numel() for v in others.values()):
        return None
    return Subgraph(start, end, tuple(ops), tuple(others.values()))


def _ops_between(graph: Graph, start: Value, end: Value) -> list[Op] | None:
    """Return the operations on the paths from `start` to `end`, or None if there is no path."""
    reached, downstream = {id(start)}, []
    for op in graph.ops:
        is_downstream = any(id(v) in reached for v in graph.reads[op.index].values())
        if is_downstream and start.at <= op.index < end.at:
            downstream.append(op)
            reached |= {id(v) for v in graph.results[op.index] if v.live}
    needed, ops = {id(end)}, []
    for op in reversed(downstream):
        if any(id(v) in needed for v in graph.results[op.index]):
            ops.append(op)
            needed |= {id(v) for v in graph.reads[op.index].values() if v.live}
    if id(start) not in needed or id(end) not in reached or not ops:
        return None
    return ops[::-1]


class ExactValues:
    """The values of a pass in float64: replayed, or as recorded if overwritten since."""

    def __init__(self, graph: Graph, replayed: TensorValues) -> None:
        self.graph, self.replayed = graph, replayed

    def of(self, value: Value) -> Tensor:
        """Return a value in float64."""
        if value.until is None and not value.aliased_write:
            return self.replayed.of(value.tensor).double()
        return self.graph.forward.trace.at(value.tensor, max(value.at, 0)).detach().double()


def apart(a: Tensor, b: Tensor) -> float:
    """Return the largest difference between two tensors relative to b's largest element."""
    if a.shape != b.shape or not a.numel():
        return inf
    difference = float((a - b).abs().max() / b.abs().max())
    return inf if isnan(difference) else difference


def alike(a: Tensor, b: Tensor) -> bool:
    """Tell whether two float64 tensors are equal up to rounding: see ALIKE."""
    return apart(a, b) <= ALIKE
