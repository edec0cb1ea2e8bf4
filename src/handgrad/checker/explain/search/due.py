"""What the correct gradient is made of, in the user's names: contributions, operands, slopes."""

import ast
from dataclasses import dataclass, replace

from torch import Tensor

from handgrad.checker.explain.search.derivatives import function_of
from handgrad.checker.explain.search.edits import references
from handgrad.checker.explain.search.indices import indexed
from handgrad.checker.explain.search.local import name_in
from handgrad.checker.explain.search.once import once
from handgrad.checker.explain.search.shares import forward_ops, quotable
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.record.scope import Scope
from handgrad.checker.record.trace import Bind, Op
from handgrad.checker.write.compose.branches import Branch, branches
from handgrad.checker.write.compose.local import spelled_in
from handgrad.checker.write.compose.references import spelled

MOST = 12
"""Operands that are tried in the place of one expression."""
FAR = 40
"""Operations on the way to a gradient that is read; with more, up to the next name."""
PAIRS = 32
"""Inputs and outputs that are compared to recognise a function."""


@dataclass(frozen=True)
class Slope:
    """The derivative of one elementwise function between the node and a consumer.

    `over` is the name of its input, None if it has none.
    """

    text: str
    over: str | None
    line: str | None
    """The statement that computed the output, if short enough to quote."""


@once
def due(suspect: Suspect) -> list[Branch]:
    """Return the contributions to the correct gradient, in the names of the statement's scope."""
    found = _branches(suspect)
    texts = [b.expression and indexed(suspect, b.expression) for b in found]
    return [replace(b, expression=text) for b, text in zip(found, texts, strict=True)]


def _branches(suspect: Suspect) -> list[Branch]:
    shared = suspect.backward
    scope = suspect.hand.own_final().scope
    if suspect.frame is None:
        names = {number: name_in(hand, scope) for number, hand in shared.hands.items()}
        return branches(suspect.forward, suspect.node, names, scope)
    inner = {id(value): name for name, value in suspect.frame.items()}
    names = {n: inner.get(id(h.own_final().value), h.name) for n, h in shared.hands.items()}
    return branches(suspect.forward, suspect.hand.node, names, suspect.frame)


@once
def operands(suspect: Suspect) -> list[str]:
    """Return the tensors that the correct gradient reads, as the user refers to them."""
    found: dict[str, None] = {}
    for branch in due(suspect):
        if branch.expression is not None:
            tree = ast.parse(branch.expression, mode="eval").body
            found |= dict.fromkeys(ast.unparse(node) for node in references(tree))
    values = {text: suspect.value(text) for text in list(found)[: 2 * MOST]}
    return [text for text, value in values.items() if isinstance(value, Tensor)][:MOST]


@once
def slopes(suspect: Suspect) -> list[Slope]:
    """Return the derivatives of the elementwise functions between the node and its consumers.

    A function is recognised by its values, however the forward pass spells it.
    """
    ops = _ops(suspect)
    inputs = [t for op in ops for t in op.inputs if t.is_floating_point()]
    inputs = list({id(t): t for t in [suspect.node.value, *inputs]}.values())[-PAIRS:]
    made = {id(t): t for op in ops for t in op.outputs if t.is_floating_point()}
    names, found = _called(suspect), dict[str, Slope]()
    for y in list(made.values())[-PAIRS:]:
        bind = next((b for b in suspect.forward.nodes() if b.value is y), None)
        for x in sorted(inputs, key=lambda t: id(t) not in names):
            known = id(x) in names or id(y) in names
            if known and x.shape == y.shape and x is not y and x.numel() > 1:
                slope = _slope(suspect, x, y, bind)
                if slope is not None:
                    found.setdefault(slope.text, slope)
                    break
    return list(found.values())


def _ops(suspect: Suspect) -> list[Op]:
    """Return the operations from the node to the tensors whose gradients the line reads."""
    if suspect.through:
        return [e for e in suspect.forward.events if type(e) is Op]
    read = {id(hand.node.value) for hand in suspect.reads}
    made, found = {id(suspect.node.value)}, list[Op]()
    for event in suspect.forward.events if read else ():
        if type(event) is Op and any(id(t) in made for t in event.inputs):
            found.append(event)
            made |= {id(t) for t in event.outputs} - read
    return found if len(found) <= FAR else forward_ops(suspect)


def _slope(suspect: Suspect, x: Tensor, y: Tensor, bind: Bind | None) -> Slope | None:
    names, row = _called(suspect), function_of(x, y)
    over, out = names.get(id(x)), names.get(id(y))
    if row is None:
        return None
    text = row.text
    if row.name == "relu" and over is None:  # its output says as well where it let through
        text, over = text.replace("{x}", "{y}"), out
    if ("{x}" in text and over is None) or ("{y}" in text and out is None):
        return None
    line = quotable(bind.statement.text) if bind is not None else None
    return Slope(text.format(x=over, y=out), over or out, line)


@once
def _called(suspect: Suspect) -> dict[int, str]:
    """Return the names and paths of the tensors that the statement can reach, by their ids."""
    scope = suspect.hand.own_final().scope
    if suspect.frame is not None:
        return spelled(dict(suspect.frame))
    if not isinstance(scope, Scope):
        return {}
    found = spelled(dict(scope.visible()), scope.held)
    if scope.local:
        found |= spelled_in(scope)
    own = {number: text for number, text in found.items() if not text.startswith("__")}
    return {number: indexed(suspect, text) for number, text in own.items()}
