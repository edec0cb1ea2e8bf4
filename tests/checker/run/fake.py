"""A stand-in for `handgrad.checker.session`: every `dX = ...` counts as a right gradient of X.

With it the tests of running, reporting and refusing need no torch and take a tenth of the time;
test_seeds.py runs the same way through the real one.
"""

import ast
import contextlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from handgrad.checker.records import CellError, Place, Row
from handgrad.checker.report.report import Report
from handgrad.errors import CheckError


def gradients(tree: ast.Module) -> list[tuple[str, int]]:
    """Names that are assigned and begin with d, with their lines."""
    return [
        (node.id, node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id[0] == "d"
    ]


def has_hand_gradients(source: str) -> bool:
    return bool(re.search(r"\bd\w*(:.*)? =", source))


class Session:
    def __init__(self, pairs: dict[str, str], max_steps: int | None) -> None:
        self.rows: list[Row] = []
        self.hook = self._seen
        self._places: dict[str, tuple[Place, str]] = {}

    def _seen(self, name: str) -> None:
        """Called by the instrumented code when `name` has been assigned."""
        place, statement = self._places[name]
        self.rows.append(Row(name[1:], name, "exact", place=place, statement=statement))

    def transform(self, tree: ast.Module, cell: int | None, source: str) -> ast.Module:
        lines = source.split("\n")
        for name, line in gradients(tree):
            self._places[name] = (Place(line, cell), lines[line - 1])
        body = []
        for statement in tree.body:
            body.append(statement)
            for name, line in gradients(ast.Module([statement], [])):
                call = ast.parse(f"__handgrad__({name!r})").body[0]
                body.append(ast.fix_missing_locations(ast.increment_lineno(call, line - 1)))
        return ast.Module(body, tree.type_ignores)

    left = False
    graded: tuple[()] = ()

    def leave_when_done(self, cells: object) -> None:
        """It runs every file to its end."""

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        yield

    def finish(self, file: str, errors: Sequence[CellError] = ()) -> Report:
        if not self.rows:
            raise CheckError(f"{file}: nothing to check: nothing was graded")
        return Report(file, tuple(self.rows), (), tuple(errors))


def module() -> ModuleType:
    """This stand-in as the module it stands in for."""
    stand_in = ModuleType("handgrad.checker.session")
    stand_in.__dict__.update(
        Session=Session,
        has_hand_gradients=has_hand_gradients,
        may_have_gradients=has_hand_gradients,
    )
    return stand_in


COMMAND = [
    sys.executable,
    "-P",
    "-c",
    f"import sys; sys.path.append({str(Path(__file__).parent)!r}); import fake;"
    " sys.modules['handgrad.checker.session'] = fake.module();"
    " from handgrad.checker.run import child; child.main()",
]
