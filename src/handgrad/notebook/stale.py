"""Gradients computed from what has been computed again since: cells run out of order.

A gradient belongs to a forward pass. What it was computed from, name by name and back through other
gradients, must be what that forward pass had: else the numbers are of two passes, and no line of
theirs can be judged. It is said of wrong gradients alone: the same numbers again do no harm.
"""

import ast
import re
from bisect import bisect_left
from dataclasses import dataclass

from handgrad.checker.pairs.hands import HandGradient
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.record.trace import Bind, Op, Trace
from handgrad.checker.records import Row

OLDER = (
    "{name} was computed in In [{made}] from the {node} of In [{then}], and {node} has been "
    "computed again in In [{now}]: run In [{made}] again."
)
NEWER = (
    "{node} was set again in In [{now}], after the forward pass of In [{forward}] had used the "
    "{node} of In [{then}]: run the forward pass again."
)
CHANGED = (
    "{node} was changed in In [{now}], after the forward pass of In [{forward}] had used it: "
    "run the forward pass again."
)


class Dated(Row):
    """A gradient that is wrong as it was computed from another pass: `message` says which, and what
    to run. No line is to blame, and what may be told of one is no hint."""


class Bindings:
    """What each name at the top stood for, one after the other."""

    def __init__(self, trace: Trace) -> None:
        self.by_name: dict[str, list[Bind]] = {}
        for bind in trace.of(Bind):
            if not bind.statement.function and bind.kind != "param":
                self.by_name.setdefault(bind.name, []).append(bind)

    def before(self, name: str, index: int) -> Bind | None:
        """Return the last one before event `index`."""
        binds = self.by_name.get(name, [])
        at = bisect_left(binds, index, key=lambda bind: bind.index)
        return binds[at - 1] if at else None


@dataclass(frozen=True)
class Nodes:
    """What the names of one forward pass stood for in it."""

    forward: ForwardPass
    by_name: dict[str, list[Bind]]

    def mismatch(self, bind: Bind) -> Bind | None:
        """Return the pass's own tensor of that name where `bind` is another, or was changed."""
        own = self.by_name.get(bind.name)
        if own is None or bind.statement.place.cell == own[-1].statement.place.cell:
            return None
        same = any(node.value is bind.value for node in own)
        changed = bind.kind == "update" and bind.index > self.forward.end
        return None if same and not changed else own[-1]


def stale(hand: HandGradient, bindings: Bindings) -> str | None:
    """Return what the gradient was computed from that its forward pass does not have, in a
    sentence; None where it is all of one pass."""
    if hand.binds[0].statement.function:
        return None
    found = _search(hand, _nodes(hand.forward), bindings)
    return None if found is None else _said(*found, hand.forward, bindings)


def _nodes(forward: ForwardPass) -> Nodes:
    """Return every name of what went into the pass's operations or came out, data included."""
    used = {id(t) for e in forward.events if type(e) is Op for t in (*e.inputs, *e.outputs)}
    found: dict[str, list[Bind]] = {}
    for bind in forward.events:
        if type(bind) is Bind and id(bind.value) in used and bind.kind != "param":
            found.setdefault(bind.name, []).append(bind)
    return Nodes(forward, found)


def _search(hand: HandGradient, nodes: Nodes, bindings: Bindings) -> tuple[Bind, Bind, Bind] | None:
    """Return the reading statement, what it read, and what the forward pass has instead."""
    todo, seen = list(hand.binds), {b.index for b in hand.binds}
    while todo:
        reader = todo.pop(0)
        for name in _read(reader):
            bind = bindings.before(name, reader.index)
            if bind is None or bind.index in seen:
                continue
            seen.add(bind.index)
            node = nodes.mismatch(bind)
            if node is not None:
                return reader, bind, node
            if name not in nodes.by_name:
                todo.append(bind)
    return None


def _said(reader: Bind, bind: Bind, node: Bind, forward: ForwardPass, bindings: Bindings) -> str:
    named = [b for binds in bindings.by_name.values() for b in binds]
    losses = [b for b in named if b.value is forward.outputs[0]]
    where = losses[0].statement.place.cell if losses else node.statement.place.cell
    template = OLDER if bind.index < node.index else NEWER
    if bind.value is node.value:
        template = CHANGED
    return template.format(
        name=reader.name,
        made=reader.statement.place.cell,
        node=bind.name,
        then=bind.statement.place.cell if template is OLDER else node.statement.place.cell,
        now=node.statement.place.cell if template is OLDER else bind.statement.place.cell,
        forward=where,
    )


def _read(bind: Bind) -> list[str]:
    """Return the names that a statement reads, in their order."""
    try:
        tree = ast.parse(bind.statement.text)
    except SyntaxError:  # the first line of a loop
        return list(dict.fromkeys(re.findall(r"[A-Za-z_]\w*", bind.statement.text)))
    found = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name)]
    targets = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and type(n.ctx) is ast.Store]
    updated = [bind.name] if bind.kind == "update" else []
    return [n for n in dict.fromkeys(found + updated) if n not in targets or n in updated]
