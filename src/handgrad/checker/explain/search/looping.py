"""The loop around a statement, or above it, run again from its start."""

import ast
import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from handgrad.checker.explain.search.names import NamesAt
from handgrad.checker.explain.search.runner import LineRunner
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.unit import calls_only_libraries
from handgrad.checker.record.trace import Bind


def changed(loop: ast.stmt, change: Callable[[list[ast.stmt]], list[ast.stmt]]) -> ast.stmt:
    """Return a copy of a loop with `change` applied to every block in it."""
    own = copy.deepcopy(loop)
    for node in ast.walk(own):
        for name in ("body", "orelse"):
            rows = getattr(node, name, None)
            if isinstance(rows, list) and rows:
                setattr(node, name, change(rows) or [ast.Pass()])
    return ast.fix_missing_locations(own)


def makes_right(suspect: Suspect, rows: list[ast.stmt], line: int) -> bool:
    """Tell whether statements, run with the values above `line`, add up to the correct gradient.

    Only with true upstream gradients: a loop over time computes its own upstream gradients, so
    random ones at every step correspond to no run of the loop.
    """
    tree = ast.Module(body=rows, type_ignores=[])
    first, late = _above(suspect, line), suspect.backward.scenes[0].late
    if first is None or late is None or not suspect.views:
        return False
    names = late.before(first)
    if not calls_only_libraries(tree, names):
        return False
    source = ast.unparse(ast.fix_missing_locations(tree))
    found = _run(names, source, suspect.hand.name, torch.zeros_like(suspect.right))
    return found is not None and found.shape == suspect.right.shape and suspect.is_right(found)


def starts_from(suspect: Suspect, line: int) -> Bind | None:
    """Return the gradient's last Bind above that line, if it had any."""
    return next((b for b in _earlier(suspect, line) if b.name == suspect.hand.name), None)


def _run(names: NamesAt, source: str, target: str, zeros: Tensor) -> Tensor | None:
    try:
        return LineRunner(names).run(source, target, zeros)
    except Exception:  # whatever a loop that nobody wrote may lead to
        return None


def _above(suspect: Suspect, line: int) -> Bind | None:
    return next((b for b in _earlier(suspect, line) if b.scope and b.scope.names), None)


def _earlier(suspect: Suspect, line: int) -> Iterator[Bind]:
    """Yield the assignments above that line in the same function, the latest first."""
    own = suspect.statement
    for bind in reversed(suspect.forward.trace.of(Bind)):
        other = bind.statement
        if other.source != own.source or other.function != own.function:
            continue
        if other.place.line < line and bind.index < suspect.hand.own_final().index:
            yield bind
