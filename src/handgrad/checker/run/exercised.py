"""A student's file compared with the exercise that it was made from, by its text alone."""

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from handgrad.checker.records import Exercised, Row
from handgrad.checker.report.report import Report
from handgrad.checker.run.cells import Source, dedented, parse
from handgrad.checker.run.source import read_source
from handgrad.errors import CheckError, SettingsError

MAGIC = re.compile(r"^([ \t]*)[%!].*$", re.MULTILINE)
NO_EXERCISE = (
    "--exercise {}: found no blank such as dh = ...; name what handgrad exercise has written"
)


@dataclass(frozen=True)
class Exercise:
    """What an exercise gives and asks for.

    `given` are its statements up to the first blank, `asked` the gradients that have a blank.
    """

    given: tuple[ast.stmt, ...]
    asked: tuple[str, ...]

    def compared(self, source: Source, rows: Sequence[Row]) -> Exercised:
        """Return how a student's file compares."""
        written = {row.hand for row in rows if row.verdict != "missing"}
        written |= {f"d{row.node}" for row in rows if row.verdict != "missing"}
        present = sum(name in written for name in self.asked)
        is_same = _keeps(list(_statements(source)), self.given)
        return Exercised(len(self.asked), present, is_same)


def with_exercise(report: Report, source: Source, exercise: Exercise | None) -> Report:
    """Return the report with how the file compares with its exercise, if there is one."""
    compared = None if exercise is None else exercise.compared(source, report.rows)
    return replace(report, exercise=compared)


def read_exercise(file: str | Path) -> Exercise:
    """Read an exercise. Raises SettingsError if the file is none."""
    try:
        source = read_source(file)
    except CheckError as error:
        raise SettingsError(f"--exercise {error}") from error
    given: list[ast.stmt] = []
    asked: list[str] = []
    for statement in _statements(source):
        blank = _blank(statement)
        if blank is not None:
            asked.append(blank)
        elif not asked and not _is_setup(statement):
            given.append(statement)
    if not asked:
        raise SettingsError(NO_EXERCISE.format(source.shown))
    return Exercise(tuple(given), tuple(asked))


def _statements(source: Source) -> Iterator[ast.stmt]:
    """Yield the statements at the top level; a cell that does not parse has none."""
    for cell in source.cells:
        try:
            yield from parse(MAGIC.sub(r"\1pass", dedented(cell.source))).body
        except (SyntaxError, ValueError, RecursionError):
            continue


def _blank(statement: ast.stmt) -> str | None:
    """Return the name in `dh = ...`."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target, value = statement.targets[0], statement.value
    is_blank = isinstance(value, ast.Constant) and value.value is ...
    return target.id if is_blank and isinstance(target, ast.Name) else None


def _is_setup(statement: ast.stmt) -> bool:
    """Tell whether it loads handgrad in Jupyter: students may remove it."""
    return isinstance(statement, ast.Try) and all(isinstance(s, ast.Pass) for s in statement.body)


def _keeps(statements: Sequence[ast.stmt], given: Sequence[ast.stmt]) -> bool:
    """Tell whether all that is given runs, in its order and on the same values."""
    texts = [ast.unparse(statement) for statement in given]
    waiting = list(texts)
    made = {name for statement in given for name in _names(statement, ast.Store)}
    used = made | {name for statement in given for name in _names(statement, ast.Load)}
    for statement in statements:
        text = ast.unparse(statement)
        if waiting and text == waiting[0]:
            waiting.pop(0)
        elif text in texts:
            continue
        elif _changes(statement, used if waiting else made, bool(waiting)):
            return False
    return not waiting


def _names(statement: ast.stmt, kind: type[ast.expr_context]) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, kind):
            yield node.id
        elif kind is ast.Store and isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


def _changes(statement: ast.stmt, names: Collection[str], within: bool) -> bool:
    """Tell whether a student's statement gives one of these names another value.

    `within`: it stands among those given. Below them, a parameter may be updated.
    """
    if not within and (isinstance(statement, ast.AugAssign) or _blank(statement)):
        return False
    bound = set(_names(statement, ast.Store)) & set(names)
    if not within:
        return bool(bound - set(_names(statement, ast.Load))) and isinstance(statement, ast.Assign)
    owners = {_owner(node) for node in ast.walk(statement)}
    return bool(bound | (owners & set(names)))


def _owner(node: ast.AST) -> str | None:
    """Return the name of what is changed in place: `x[0] = ...`, `x.data = ...`, `x.mul_(0)`."""
    is_set = isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load)
    is_call = False
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        is_call = node.func.attr.endswith("_") and not node.func.attr.endswith("__")
    if not (is_set or is_call):
        return None
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None
