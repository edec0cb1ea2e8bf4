"""A statement as text that can be run again: alone, or with the loop that it stands in."""

import ast
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from torch import Tensor

from handgrad.checker.explaining.scene import Names
from handgrad.checker.recording.instrument import Statement

_LIBRARIES = ("torch", "math", "numpy", "builtins")
"""Whose functions have no effects that running them again would repeat."""
_BUILTINS = {"abs", "bool", "enumerate", "float", "int", "len", "list", "max", "min", "pow",
             "range", "reversed", "round", "slice", "sum", "tuple", "zip"}  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """`text` is the statement, `before` and `after` what stands around it in its loop."""

    text: str
    tree: ast.stmt
    head: str = ""
    indent: str = ""
    tail: str = ""

    def source(self, text: str) -> str:
        """Return what is to be run where `text` stands in the statement's place."""
        return self.head + textwrap.indent(text, self.indent) + self.tail


def unit_of(statement: Statement, looped: bool) -> Unit | None:
    """Return the statement to be run again, None where it cannot stand alone.

    `looped`: it ran more than once, so that its outermost loop is what makes the gradient.
    """
    tree = _parsed(statement.text)
    if tree is None:
        return None
    if not looped:
        return Unit(statement.text, tree)
    lines = statement.source.split("\n")
    loop = _loop_around(statement, "\n".join(lines))
    if loop is None:
        return None
    first, last, size = statement.place.line, statement.place.line, statement.text.count("\n")
    indent = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
    own = " " * loop.col_offset
    head = "\n".join(lines[loop.lineno - 1 : first - 1]) + "\n"
    rest = lines[last + size : loop.end_lineno]
    cut = len(own)
    return Unit(
        statement.text,
        tree,
        "\n".join(line[cut:] for line in head.split("\n")),
        indent[cut:],
        "\n" + "\n".join(line[cut:] for line in rest),
    )


def calls_only_libraries(tree: ast.AST, names: Names) -> bool:
    """Tell whether running it again calls nothing of the user's own, which may have effects."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda | ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
            return False
        if isinstance(node, ast.Call) and not _is_known(node.func, names):
            return False
    return True


def _is_known(function: ast.expr, names: Names) -> bool:
    if isinstance(function, ast.Name):
        if function.id not in names:
            return function.id in _BUILTINS
        value = names.given(function.id)
        return _of_library(value)
    if isinstance(function, ast.Attribute):
        root: ast.expr = function
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(root, ast.Name) and root.id in names:
            value = names.given(root.id)
            return isinstance(value, Tensor | int | float | tuple | list) or _of_library(value)
        return not isinstance(root, ast.Name)  # a method of what an expression gives
    return False


def _of_library(value: Any) -> bool:
    module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return isinstance(module, str) and module.split(".")[0].lstrip("_") in _LIBRARIES


def _parsed(text: str) -> ast.stmt | None:
    try:
        body = ast.parse(text).body
    except SyntaxError:
        return None
    simple = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr
    return body[0] if len(body) == 1 and isinstance(body[0], simple) else None


def _loop_around(statement: Statement, source: str) -> ast.For | ast.While | None:
    """Return the outermost loop around the statement, within its function."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    found = None
    for node in _path(tree, statement.place.line):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found = None
        elif isinstance(node, ast.For | ast.While) and found is None:
            found = node
    return found


def _path(tree: ast.AST, line: int) -> Iterator[ast.stmt]:
    """Yield the statements that the line stands in, the outer ones first."""
    for node in ast.iter_child_nodes(tree):
        end = getattr(node, "end_lineno", None)
        if isinstance(node, ast.stmt) and end is not None and node.lineno <= line <= end:
            yield node
            yield from _path(node, line)
        elif isinstance(node, ast.ExceptHandler | ast.match_case):
            yield from _path(node, line)
