"""A statement with the blocks that it stands in, and its loops."""

import ast
from collections.abc import Iterator

from handgrad.checker.record.instrument import Statement

Loop = ast.For | ast.While
_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module


class Body:
    """A statement in its source: `stack` is the blocks around it, the outer ones first.

    `node` is None where the source has no statement on that line.
    """

    def __init__(self, statement: Statement) -> None:
        self.stack: list[ast.AST] = []
        self.node: ast.stmt | None = None
        try:
            inner: ast.AST = ast.parse(statement.source)
        except SyntaxError:
            return
        while hasattr(inner, "body"):
            self.stack.append(inner)
            found = _inside(inner, statement)
            if found is None:
                return
            inner = found
        assert isinstance(inner, ast.stmt)
        self.node = inner

    @property
    def loops(self) -> list[Loop]:
        """The loops around it, the outer ones first, within its function."""
        scopes = [i for i, block in enumerate(self.stack) if isinstance(block, _SCOPES)]
        return [block for block in self.stack[scopes[-1] + 1 :] if isinstance(block, Loop)]

    @property
    def before(self) -> ast.stmt | None:
        """The statement that stands right above it, in the same block."""
        for name in ("body", "orelse", "finalbody") if self.node is not None else ():
            rows: list[ast.stmt] = getattr(self.stack[-1], name, [])
            if self.node in rows[1:]:
                return rows[rows.index(self.node) - 1]
        return None


def _inside(block: ast.AST, statement: Statement) -> ast.stmt | None:
    """Return the statement in a block at the line; of several there, the one of that text."""
    line = statement.place.line
    found = [n for n in _rows(block) if n.lineno <= line <= (n.end_lineno or n.lineno)]
    source = statement.source
    named = (n for n in found if ast.get_source_segment(source, n) == statement.text)
    return next(named, found[-1] if found else None)


def _rows(block: ast.AST) -> Iterator[ast.stmt]:
    for node in ast.iter_child_nodes(block):
        if isinstance(node, ast.stmt):
            yield node
        elif isinstance(node, ast.ExceptHandler | ast.match_case):
            yield from node.body
