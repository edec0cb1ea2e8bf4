"""The loop around a statement, or above it, run again from its start."""

import ast
import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from handgrad.checker.explain.search.runner import LineRunner
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.unit import calls_only_libraries
from handgrad.checker.record.trace import Bind


class _Replace(ast.NodeTransformer):
    """Puts statements in the place of others, identified by their positions."""

    def __init__(self, rows: Mapping[ast.stmt, Sequence[ast.stmt]]) -> None:
        self.rows = {(old.lineno, old.col_offset): new for old, new in rows.items()}

    def visit(self, node: ast.AST) -> Any:
        """Return the statements to put in the place of `node`, or `node` with others inside."""
        at = (node.lineno, node.col_offset) if isinstance(node, ast.stmt) else None
        return list(self.rows[at]) if at in self.rows else self.generic_visit(node)


def loop_corrects(
    suspect: Suspect, loop: ast.stmt, rows: Mapping[ast.stmt, Sequence[ast.stmt]]
) -> bool:
    """Tell whether a loop with other `rows` for some of its own gives the correct gradient.

    It runs with the values above it, and only with true upstream gradients: a loop over time
    computes its own, so random ones at every step correspond to no run of the loop.
    """
    tree = _Replace(rows).visit(ast.Module([copy.deepcopy(loop)], []))
    line = loop.lineno
    first = next((b for b in _earlier(suspect, line) if b.scope and b.scope.names), None)
    late = suspect.backward.scenes[0].late
    if first is None or late is None:
        return False
    names = late.before(first)
    if not calls_only_libraries(tree, names):
        return False
    source = ast.unparse(ast.fix_missing_locations(tree))
    found = LineRunner(names).run(source, suspect.hand.name, torch.zeros_like(suspect.right))
    return found is not None and suspect.is_right(found)


def starts_from(suspect: Suspect, line: int) -> Bind | None:
    """Return the gradient's last Bind above that line, if it had any."""
    return next((b for b in _earlier(suspect, line) if b.name == suspect.hand.name), None)


def _earlier(suspect: Suspect, line: int) -> Iterator[Bind]:
    """Yield the assignments above that line in the same function, the latest first."""
    statement = suspect.statement
    for bind in reversed(suspect.forward.trace.of(Bind)):
        other = bind.statement
        if other.source != statement.source or other.function != statement.function:
            continue
        if other.place.line < line and bind.index < suspect.hand.own_final().index:
            yield bind
