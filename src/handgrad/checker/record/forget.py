"""Dropping what can no longer matter, so that a Jupyter kernel may run for hours.

A notebook can only ask about what it still holds: the tensors that its names refer to, the
operations that led to them, and their names. Everything else is dropped. Beyond MOST_EVENTS or
MOST_BYTES the oldest operations are dropped too: their results then count as constants.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from handgrad.checker.record.capture import Recorder
from handgrad.checker.record.carriers import tensor_of
from handgrad.checker.record.trace import Bind, Event, Op, key_of, needed, tensors_of

MOST_EVENTS = 20_000
MOST_BYTES = 512 * 2**20
MOST_HELD = 5_000
"""How many names, lists and objects are searched for tensors."""
DEPTH = 6
"""How deep the search goes, as in model.layers[3].cache['h']."""


def forget(recorder: Recorder, names: Mapping[str, Any]) -> None:
    """Drop every event that does not matter to what `names` hold."""
    events = recorder.trace.events
    alive = {id(t): t for t in held(names)}
    known = [t for e in events for t in tensors_of(e) if id(t) in alive]
    stops = {key_of(t) for t in alive.values() if t.is_leaf and t.requires_grad}
    ops = _within_limits(needed(events, known, stops))
    kept = _kept(events, ops, set(alive))
    recorder.keep(kept)
    _slim(kept, set(alive))


def held(names: Mapping[str, Any]) -> Iterator[Tensor]:
    """Yield the tensors that a notebook holds, in collections and objects of its classes too."""
    todo: list[tuple[Any, int]] = [(value, 0) for value in names.values()]
    seen: set[int] = set()
    while todo and len(seen) < MOST_HELD:
        value, depth = todo.pop()
        value = tensor_of(value)
        if isinstance(value, Tensor):
            yield value
            continue
        parts = _parts(value)
        if parts and depth < DEPTH and id(value) not in seen:
            seen.add(id(value))
            todo += [(part, depth + 1) for part in parts[:MOST_HELD]]


def _parts(value: Any) -> Sequence[Any]:
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, dict):
        return list(value.values())
    attributes = type(value).__module__ == "__main__" and getattr(value, "__dict__", None)
    return list(attributes.values()) if isinstance(attributes, dict) else ()


def _slim(events: Sequence[Event], alive: set[int]) -> None:
    """Release tensors that only a scope still holds."""
    mentioned = {id(t) for event in events for t in tensors_of(event)} | alive
    for event in events:
        if type(event) is Bind and event.scope is not None:
            names = event.scope.names
            lost = [
                name
                for name, value in names.items()
                if isinstance(held := tensor_of(value), Tensor) and id(held) not in mentioned
            ]
            for name in lost:
                del names[name]


def _within_limits(ops: Sequence[Op]) -> Sequence[Op]:
    """Return the newest operations that fit the limits."""
    room, counted = MOST_BYTES, set[int]()
    for n, op in enumerate(reversed(ops)):
        for value in op.outputs:
            if key_of(value) not in counted:
                counted.add(key_of(value))
                room -= value.untyped_storage().nbytes()
        if room < 0 or n >= MOST_EVENTS:
            return ops[len(ops) - n :]
    return ops


def _kept(events: Sequence[Event], ops: Sequence[Op], alive: set[int]) -> list[Event]:
    """Return the operations, and the other events about their tensors."""
    chosen = {op.index for op in ops}
    mentioned = {id(t) for op in ops for t in (*op.inputs, *op.outputs)}
    start = ops[0].index if ops else len(events)
    kept: list[Event] = []
    latest: set[tuple[str, int]] = set()
    for event in reversed(events):
        if type(event) is Bind:
            known = (event.name, id(event.value))  # before the operations, only the name matters
            matters = id(event.value) in mentioned or id(event.value) in alive
            matters = matters and (event.index >= start or known not in latest)
            latest.add(known)
        elif type(event) is Op:
            matters = event.index in chosen
        else:
            whole = all(id(t) in mentioned for t in tensors_of(event))
            matters = whole and event.index > start
        if matters:
            kept.append(event)
    return kept[::-1]
