"""Which lines of a file an exercise keeps: all up to the loss, except gradients by hand."""

import ast
import builtins
import re
from collections.abc import Collection

from handgrad.checker.exercise.described import Forward
from handgrad.checker.run.cells import parse
from handgrad.errors import CheckError

LOOPS = (ast.For, ast.AsyncFor, ast.While)
MAGIC = re.compile(r"^([ \t]*)[%!].*$", re.MULTILINE)


class Keeper:
    """Filters the code cells in order, up to the one with the loss.

    It leaves out every top-level statement that sets or reads a gradient by hand, and those that
    read a name that only such statements set.
    """

    def __init__(self, shown: str, forward: Forward) -> None:
        self._shown = shown
        self._forward = forward
        self._left_out = set(forward.by_hand)
        self._set: set[str] = set()

    @property
    def names(self) -> set[str]:
        """Names that a gradient must not have: the forward pass sets them, or Python does."""
        return self._set | set(dir(builtins))

    def keep(self, source: str, cell: int | None) -> str:
        """Return the lines of `source` that are kept, up to the loss if `source` computes it."""
        body = _body(source)
        if cell == self._forward.cell:
            body = self._up_to_loss(body)
            last = body[-1].end_lineno if body else self._forward.last_line
            source = "\n".join(source.split("\n")[:last])
        dropped = [statement for statement in body if self._is_dropped(statement)]
        return _without(source, dropped)

    def _up_to_loss(self, body: list[ast.stmt]) -> list[ast.stmt]:
        line = self._forward.line
        before = [statement for statement in body if statement.lineno <= line]
        if before and isinstance(before[-1], LOOPS):
            raise CheckError(
                f"{self._shown}: the loss (line {line}) is computed in a loop; "
                "an exercise needs a forward pass outside any loop"
            )
        return before

    def _is_dropped(self, statement: ast.stmt) -> bool:
        names = _names_set(statement)
        if names & set(self._forward.by_hand) or _names_read(statement) & self._left_out:
            self._left_out |= names - self._set
            return True
        self._set |= names
        self._left_out -= names
        return False


def script_cells(source: str) -> list[str]:
    """Return a script as cells, split at the blank lines between statements.

    The docstring is left out.
    """
    body = _body(source)
    inside = {n for statement in body for n in _lines_of(statement)}
    doc = set(_lines_of(body[0])) if docstring(source) is not None else set()
    cells: list[list[str]] = [[]]
    for number, line in enumerate(source.split("\n"), 1):
        if not line.strip() and number not in inside:
            cells.append([])
        elif number not in doc:
            cells[-1].append(line)
    return ["\n".join(cell) for cell in cells if cell]


def docstring(source: str) -> str | None:
    """Return the docstring of a script, if it has one."""
    return ast.get_docstring(_parsed(source))


def _body(source: str) -> list[ast.stmt]:
    """Return the statements, with `pass` for IPython's magics; none if it does not parse."""
    return _parsed(MAGIC.sub(r"\1pass", source)).body


def _parsed(source: str) -> ast.Module:
    try:
        return parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


def _lines_of(statement: ast.stmt) -> range:
    """Return the numbers of its lines, including those of its decorators."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
    return range(first, (statement.end_lineno or first) + 1)


def _names_read(statement: ast.stmt) -> set[str]:
    """Return the names that it reads; `x += 1` also reads x."""
    walked = list(ast.walk(statement))
    changed = [node.target for node in walked if isinstance(node, ast.AugAssign)]
    return {
        node.id
        for node in [*walked, *changed]
        if isinstance(node, ast.Name) and (isinstance(node.ctx, ast.Load) or node in changed)
    }


def _names_set(statement: ast.stmt) -> set[str]:
    """Return the names that it assigns, defines or imports."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _without(source: str, dropped: Collection[ast.stmt]) -> str:
    numbers = {n for statement in dropped for n in _lines_of(statement)}
    lines = source.split("\n")
    kept = [line for number, line in enumerate(lines, 1) if number not in numbers]
    return "\n".join(kept).strip("\n") if numbers else source.strip("\n")
