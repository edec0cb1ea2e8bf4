"""Names: a gradient for its value, another tensor of fitting shape, another key."""

import ast
from collections.abc import Iterable, Iterator

from torch import Tensor

from handgrad.checker.explain.search.due import operands
from handgrad.checker.explain.search.edits import REFERENCES, Text
from handgrad.checker.explain.search.grammar.edit import Edit
from handgrad.checker.explain.search.grammar.masks import comparisons
from handgrad.checker.explain.search.suspect import Suspect

MOST = 40
"""Keys of one dict that are tried."""


def gradient_for_value(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put the gradient for each forward value."""
    for name in text.of(ast.Name):
        gradient = suspect.gradients.get(name.id)
        if gradient is not None and gradient != suspect.hand.name:
            yield Edit(text.replace(name, gradient), name.id, gradient)


def value_for_gradient(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put the forward value for each gradient."""
    nodes = {hand: node for node, hand in suspect.gradients.items()}
    for name in text.of(ast.Name):
        if name.id in nodes:
            yield Edit(text.replace(name, nodes[name.id]), name.id, nodes[name.id])


def other_names(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put every other tensor for each name, those of the same shape first; then other keys."""
    for name in text.of(ast.Name):
        for other in _others(suspect, name.id):
            yield Edit(text.replace(name, other), name.id, other)
    for held in text.of(ast.Attribute):  # self.h
        for other in _attributes(suspect, text, held):
            yield Edit(text.replace(held, other), text.segment(held), other)
    for item in text.of(ast.Subscript):  # cache["h"]
        if isinstance(item.slice, ast.Constant) and isinstance(item.slice.value, str):
            for key in _keys(suspect, text, item):
                yield Edit(text.replace(item.slice, key), text.segment(item.slice), key)


def due_operands(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put a tensor that the correct gradient reads for one that the line reads."""
    compared = {id(n) for mask in comparisons(text) for n in ast.walk(mask)}  # local_derivative's
    known = [n for n in _read(text) if isinstance(n, REFERENCES) and id(n) not in compared]
    yield from _due(suspect, text, known)


def due_for_computed(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put a tensor that the correct gradient reads for one that the line computes on the way."""
    computed = [n for n in _read(text) if isinstance(n, ast.Call | ast.BinOp)]
    yield from _due(suspect, text, [n for n in computed if n is not text.value])


def _due(suspect: Suspect, text: Text, nodes: Iterable[ast.expr]) -> Iterator[Edit]:
    values = {name: suspect.value(name) for name in operands(suspect)}
    for node in nodes:
        written, given = text.segment(node), suspect.value(text.segment(node))
        for other, value in values.items() if isinstance(given, Tensor) else ():
            if other != written and (value.dim() == given.dim() or isinstance(node, REFERENCES)):
                yield Edit(text.replace(node, other), written, other)


def _read(text: Text) -> Iterator[ast.expr]:
    for node in ast.walk(text.tree):
        read = not isinstance(getattr(node, "ctx", None), ast.Store)
        if isinstance(node, ast.expr) and read and not _is_called(text, node):
            yield node


def _is_called(text: Text, node: ast.expr) -> bool:
    parent = text.parent(node)
    return isinstance(parent, ast.Call) and parent.func is node


def _others(suspect: Suspect, name: str) -> Iterator[str]:
    """Yield the names of tensors that may be meant instead: nodes and their gradients."""
    given = suspect.tensor(name)
    if given is None:
        yield from _indices(suspect, name)
        return
    above = [part.hand for part in suspect.parts if part.hand is not None]
    known = dict.fromkeys([*above, *suspect.names, *suspect.gradients.values()])
    more = [n for n in suspect.scope if n not in known and not n.startswith("_")]
    misfit = suspect.made.shape != suspect.right.shape
    for same_shape in (True, False):
        for other in [*known, *more] if same_shape or misfit else known:
            value = suspect.tensor(other) if other not in (name, suspect.hand.name) else None
            if value is None or (value.shape == given.shape) != same_shape:
                continue
            if same_shape or value.dim() == given.dim():
                yield other


def _attributes(suspect: Suspect, text: Text, item: ast.Attribute) -> Iterator[str]:
    """Yield the other tensors of an object that have the shape of this one."""
    given = suspect.value(text.segment(item))
    if not isinstance(item.value, ast.Name) or not isinstance(given, Tensor):
        return
    held = suspect.scope.contents(item.value.id)
    for name in list(held)[:MOST]:
        other = f"{item.value.id}.{name}"
        value = suspect.value(other) if name != item.attr else None
        if isinstance(value, Tensor) and value.shape == given.shape:
            yield other


def _indices(suspect: Suspect, name: str) -> Iterator[str]:
    """Yield the other index tensors of the same shape: the targets for the tokens."""
    known = suspect.scope.indices()
    for other, value in known.items() if name in known else ():
        if other != name and value.shape == known[name].shape:
            yield other


def _keys(suspect: Suspect, text: Text, item: ast.Subscript) -> Iterator[str]:
    """Yield the other keys of a dict whose tensors have the shape of this one's."""
    holder, given = suspect.value(text.segment(item.value)), suspect.value(text.segment(item))
    if isinstance(holder, dict) and isinstance(given, Tensor):
        quote = text.segment(item.slice)[0]
        for key, value in list(holder.items())[:MOST]:
            if isinstance(key, str) and isinstance(value, Tensor) and value.shape == given.shape:
                yield f"{quote}{key}{quote}"
