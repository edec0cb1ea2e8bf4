"""Gradients stored under each other's names, and the statement with the names in order."""

import ast
from collections.abc import Sequence

from torch import Tensor

from handgrad.checker.explain.search.once import once
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.pairs.verdict import SIGNIFICANT
from handgrad.checker.passes.compare import formula_is_right
from handgrad.checker.record.trace import Bind


@once
def belongs_to(suspect: Suspect) -> Bind | None:
    """Return the other node whose gradient this statement computes, if there is one.

    The node's own consumers do not count: there, a local derivative is missing.
    """
    return _owner(suspect, suspect.made, suspect.node)


def _owner(suspect: Suspect, made: Tensor, node: Bind) -> Bind | None:
    forward = suspect.forward
    consumers = suspect.backward.consumers.get(id(node.value), set())
    for other in forward.nodes():
        truth = forward.truth.get(other.index)
        if truth is None or other.kind == "param" or other.value is node.value:
            continue
        if truth.shape != made.shape or truth.numel() < 2 or id(other.value) in consumers:
            continue
        noise = forward.noise[other.index]
        if float(truth.abs().max()) <= SIGNIFICANT * float(noise.max()):
            continue
        if formula_is_right(made.double(), truth, noise, suspect.dtype):
            return other
    return None


def in_order(suspect: Suspect) -> str | None:
    """Return the statement with its names, or returned values, in the order of the gradients."""
    text = suspect.shown
    if text is None or isinstance(text.tree, ast.AugAssign):
        return None
    if isinstance(text.tree, ast.Return):
        names = [t.name for t in suspect.statement.targets]
        parts = text.value.elts if isinstance(text.value, ast.Tuple) else []
        order = _order(suspect, names)
        if order is None or len(parts) != len(order):
            return None
        placed = [text.segment(parts[order.index(name)]) for name in names]
        return text.replace_all(parts, placed)
    targets = getattr(text.tree, "targets", [None])[0]
    if not isinstance(targets, ast.Tuple):
        return None
    names = [ast.unparse(target) for target in targets.elts]
    order = _order(suspect, names)
    return None if order is None else text.replace_all(targets.elts, order)


def _order(suspect: Suspect, names: Sequence[str]) -> list[str] | None:
    """Return, for each position of the statement, the name whose gradient is there."""
    found: list[str] = []
    shared = suspect.backward
    statement = suspect.statement
    gradients = {hand.name: hand for hand in shared.hands.values()
                 if any(bind.statement == statement for bind in hand.binds)}  # fmt: skip
    for name in names:
        hand = gradients.get(name)
        if hand is None or hand.node is None:
            found.append(name)
            continue
        moment = shared.scenes[0].moments.get(hand.own_final().index)
        owner = None if moment is None else _owner(suspect, moment.after, hand.node)
        other = None if owner is None else shared.hands.get(id(owner.value))
        found.append(name if other is None else other.name)
    return found if sorted(found) == sorted(names) and found != list(names) else None
