"""A neighbour's name: another tensor of the same shape.

What: one of the names is not the one that belongs here, such as bnraw for bndiff.

Why: the gradient of one factor of a product takes the other factor, as the forward has it. Tensors
of the same shape are exchanged without an error.

Wrong:

    # bnraw = bndiff * bnvar_inv
    dbnvar_inv = (bnraw * dbnraw).sum(0, keepdim=True)

Right:

    dbnvar_inv = (bndiff * dbnraw).sum(0, keepdim=True)
"""

import ast
from collections.abc import Iterator

import torch
from torch import Tensor

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.shares import is_upstream_alone, same
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG107"
NAME = "wrong operand"
MOST = 40
"""Keys of one dict that are tried."""


def find(suspect: Suspect) -> Finding | None:
    """Put every other tensor for each name: those of the same shape first; then whole gradients."""
    if suspect.text is not None:
        for node, other in _exchanged(suspect, suspect.text):
            fix = suspect.text.replace(node, other)
            if suspect.mends(fix):
                return Finding(f"{suspect.text.segment(node)} stands where {other} belongs.", fix)
    return _crossed(suspect)


def _exchanged(suspect: Suspect, text: Text) -> Iterator[tuple[ast.expr, str]]:
    for name in text.of(ast.Name):
        for other in _others(suspect, name.id):
            yield name, other
    for key in text.of(ast.Subscript):  # cache["h"]
        if isinstance(key.slice, ast.Constant) and isinstance(key.slice.value, str):
            for other in _keys(suspect, text, key):
                yield key.slice, other


def _others(suspect: Suspect, name: str) -> Iterator[str]:
    """Yield the names of tensors that may be meant instead: nodes and their gradients."""
    own = suspect.tensor(name)
    if own is None:
        yield from _indices(suspect, name)
        return
    above = [part.hand for part in suspect.parts if part.hand is not None]
    known = dict.fromkeys([*above, *suspect.names, *suspect.gradients.values()])
    for alike in (True, False):
        for other in known:
            value = suspect.tensor(other) if other not in (name, suspect.hand.name) else None
            if value is None or (value.shape == own.shape) != alike:
                continue
            if alike or value.dim() == own.dim():
                yield other


def _indices(suspect: Suspect, name: str) -> Iterator[str]:
    """Yield the other index tensors of the same shape: the targets for the tokens."""
    own, names = suspect.value(name), suspect.views[0].moment.names
    if not isinstance(own, Tensor) or own.dtype != torch.int64 or own.dim() == 0:
        return
    for other in names:
        value = names.given(other)
        alike = isinstance(value, Tensor) and (value.dtype, value.shape) == (own.dtype, own.shape)
        if alike and other != name:
            yield other


def _keys(suspect: Suspect, text: Text, node: ast.Subscript) -> Iterator[str]:
    """Yield the other keys of a dict whose tensors have the shape of this one's."""
    holder, own = suspect.value(text.segment(node.value)), suspect.value(text.segment(node))
    if isinstance(holder, dict) and isinstance(own, Tensor):
        quote = text.segment(node.slice)[0]
        for key, value in list(holder.items())[:MOST]:
            if isinstance(key, str) and isinstance(value, Tensor) and value.shape == own.shape:
                yield f"{quote}{key}{quote}"


def _crossed(suspect: Suspect) -> Finding | None:
    """Find the other node whose gradient this is: under the wrong name."""
    if any(is_upstream_alone(suspect, part) for part in suspect.parts):
        return None  # the local derivative is missing
    if suspect.made.shape != suspect.right.shape or suspect.is_right(
        torch.zeros_like(suspect.made)
    ):
        return None
    for name, node in suspect.names.items():
        sent = suspect.backward.parts.get(id(node.value), {}).values()
        if node.value is suspect.node.value or node.value.shape != suspect.made.shape or not sent:
            continue
        views = range(len(suspect.views))
        if any(len(values) <= len(views) - 1 for values in sent):
            continue
        theirs = [torch.stack([values[i] for values in sent]).sum(0) for i in views]
        if all(same(suspect.makes(i), theirs[i]) for i in views):
            return Finding(
                f"This is the gradient of {name}: it stands under the name {suspect.hand.name}."
            )
    return None
