"""Names: a gradient for its value, another tensor of fitting shape, another key."""

import ast
from collections.abc import Iterator

from torch import Tensor

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.grammar.edit import Edit
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
    for item in text.of(ast.Subscript):  # cache["h"]
        if isinstance(item.slice, ast.Constant) and isinstance(item.slice.value, str):
            for key in _keys(suspect, text, item):
                yield Edit(text.replace(item.slice, key), text.segment(item.slice), key)


def _others(suspect: Suspect, name: str) -> Iterator[str]:
    """Yield the names of tensors that may be meant instead: nodes and their gradients."""
    given = suspect.tensor(name)
    if given is None:
        yield from _indices(suspect, name)
        return
    above = [part.hand for part in suspect.parts if part.hand is not None]
    known = dict.fromkeys([*above, *suspect.names, *suspect.gradients.values()])
    for same_shape in (True, False):
        for other in known:
            value = suspect.tensor(other) if other not in (name, suspect.hand.name) else None
            if value is None or (value.shape == given.shape) != same_shape:
                continue
            if same_shape or value.dim() == given.dim():
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
