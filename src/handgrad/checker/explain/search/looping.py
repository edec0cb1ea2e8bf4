"""The loop that a statement stands in, or stands behind, run again from its beginning."""

import ast
import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from handgrad.checker.explain.search.names import NamesAt
from handgrad.checker.explain.search.runner import LineRunner
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.unit import calls_only_libraries
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind

Loop = ast.For | ast.While
_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module


class Body:
    """A statement with what it stands in: `stack` is the blocks around it, the outer ones first."""

    def __init__(self, statement: Statement) -> None:
        self.stack: list[ast.AST] = []
        self.node: ast.stmt | None = None
        try:
            self.stack, self.node = _found(ast.parse(statement.source), statement.place.line)
        except (SyntaxError, LookupError):
            return

    @property
    def loops(self) -> list[Loop]:
        """The loops around it, the outer ones first, within its function."""
        own: list[Loop] = []
        for block in self.stack:
            if isinstance(block, _SCOPES):
                own = []
            elif isinstance(block, Loop):
                own.append(block)
        return own

    @property
    def before(self) -> ast.stmt | None:
        """The statement that stands right above it, in the same block."""
        if not self.stack or self.node is None:
            return None
        rows = _rows(self.stack[-1], self.node)
        at = next((i for i, row in enumerate(rows) if row is self.node), 0)
        return rows[at - 1] if at else None


def changed(loop: ast.stmt, change: Callable[[list[ast.stmt]], list[ast.stmt]]) -> ast.stmt:
    """Return a copy of a loop with every block in it put through `change`."""
    own = copy.deepcopy(loop)
    for node in ast.walk(own):
        for name in ("body", "orelse"):
            rows = getattr(node, name, None)
            if isinstance(rows, list) and rows:
                setattr(node, name, change(rows) or [ast.Pass()])
    return ast.fix_missing_locations(own)


def makes_right(suspect: Suspect, rows: list[ast.stmt], line: int) -> bool:
    """Tell whether statements, run from what stood above `line`, add up to the right gradient.

    With true gradients upstream only: a loop over time makes its own upstream as it goes, and what
    follows from random ones at every step is no run of any loop.
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
    """Yield what was named above that line of the same function, the latest first."""
    own = suspect.statement
    for bind in reversed(suspect.forward.trace.of(Bind)):
        other = bind.statement
        if other.source != own.source or other.function != own.function:
            continue
        if other.place.line < line and bind.index < suspect.hand.own_final().index:
            yield bind


def _rows(block: ast.AST, node: ast.stmt) -> list[ast.stmt]:
    for name in ("body", "orelse", "finalbody"):
        rows = getattr(block, name, None)
        if isinstance(rows, list) and any(row is node for row in rows):
            return rows
    return []


def _found(tree: ast.AST, line: int) -> tuple[list[ast.AST], ast.stmt]:
    """Return the blocks around the innermost statement at a line, and that statement."""
    stack: list[ast.AST] = [tree]
    while True:
        inside = [n for n in ast.iter_child_nodes(stack[-1]) if isinstance(n, ast.stmt)
                  and n.lineno <= line <= (n.end_lineno or n.lineno)]  # fmt: skip
        if not inside:
            raise LookupError(line)
        if not hasattr(inside[-1], "body"):
            return stack, inside[-1]
        stack.append(inside[-1])
