"""Gradients computed from tensors that have been computed again since: cells run out of order.

A gradient belongs to a forward pass. Every tensor that it was computed from, directly or through
other gradients, must be the one that the forward pass used. Otherwise the numbers come from two
passes, and no line can be judged. Only wrong gradients are looked at: computing the same numbers
again does no harm.
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
    "In [{reader}] computed {name} from the {node} of In [{then}], but In [{now}] has computed "
    "{node} again since. Run In [{reader}] again."
)
NEWER = (
    "In [{now}] set {node} again after the forward pass in In [{forward}] had used the {node} of "
    "In [{then}]. Run the forward pass again."
)
CHANGED = (
    "In [{now}] changed {node} after the forward pass in In [{forward}] had used it. "
    "Run the forward pass again."
)


class StaleRow(Row):
    """A gradient that is wrong because it was computed from an older pass.

    No line is to blame. `message` says which cell to run, at every level of detail.
    """


class Bindings:
    """The bindings of each top-level name, in order."""

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
    """The bindings of each name within one forward pass."""

    forward: ForwardPass
    by_name: dict[str, list[Bind]]

    def mismatch(self, bind: Bind) -> Bind | None:
        """Return the pass's own binding of the name if `bind` is another or a changed tensor."""
        nodes = self.by_name.get(bind.name)
        if nodes is None or bind.statement.place.cell == nodes[-1].statement.place.cell:
            return None
        same = any(node.value is bind.value for node in nodes)
        changed = bind.kind == "update" and bind.index > self.forward.end
        return None if same and not changed else nodes[-1]


def stale(hand: HandGradient, bindings: Bindings) -> str | None:
    """Return a sentence on the tensor that the gradient was computed from and its pass did not use.

    None if every tensor is one of its forward pass.
    """
    if hand.binds[0].statement.function:
        return None
    mismatch = _search(hand, _nodes(hand.forward), bindings)
    return None if mismatch is None else _message(*mismatch, hand.forward, bindings)


def _nodes(forward: ForwardPass) -> Nodes:
    """Return the bindings of all inputs and outputs of the pass's operations, data included."""
    used = {id(t) for e in forward.events if type(e) is Op for t in (*e.inputs, *e.outputs)}
    by_name: dict[str, list[Bind]] = {}
    for bind in forward.events:
        if type(bind) is Bind and id(bind.value) in used and bind.kind != "param":
            by_name.setdefault(bind.name, []).append(bind)
    return Nodes(forward, by_name)


def _search(hand: HandGradient, nodes: Nodes, bindings: Bindings) -> tuple[Bind, Bind, Bind] | None:
    """Return the statement that read, the binding it read, and the one of the forward pass."""
    todo, visited = list(hand.binds), {b.index for b in hand.binds}
    while todo:
        reader = todo.pop(0)
        for name in _names_read(reader):
            bind = bindings.before(name, reader.index)
            if bind is None or bind.index in visited:
                continue
            visited.add(bind.index)
            node = nodes.mismatch(bind)
            if node is not None:
                return reader, bind, node
            if name not in nodes.by_name:
                todo.append(bind)
    return None


def _message(reader: Bind, bind: Bind, node: Bind, forward: ForwardPass, bindings: Bindings) -> str:
    named = [b for binds in bindings.by_name.values() for b in binds]
    losses = [b for b in named if b.value is forward.outputs[0]]
    where = losses[0].statement.place.cell if losses else node.statement.place.cell
    template = OLDER if bind.index < node.index else NEWER
    if bind.value is node.value:
        template = CHANGED
    return template.format(
        name=reader.name,
        reader=reader.statement.place.cell,
        node=bind.name,
        then=bind.statement.place.cell if template is OLDER else node.statement.place.cell,
        now=node.statement.place.cell if template is OLDER else bind.statement.place.cell,
        forward=where,
    )


def _names_read(bind: Bind) -> list[str]:
    """Return the names that a statement reads, in order."""
    try:
        tree = ast.parse(bind.statement.text)
    except SyntaxError:  # the first line of a loop
        return list(dict.fromkeys(re.findall(r"[A-Za-z_]\w*", bind.statement.text)))
    names = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name)]
    targets = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and type(n.ctx) is ast.Store]
    updated = [bind.name] if bind.kind == "update" else []
    return [n for n in dict.fromkeys(names + updated) if n not in targets or n in updated]
