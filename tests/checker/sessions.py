"""Code run through a Session in this process, as a runner would."""

import ast
import contextlib
import io
from collections.abc import Sequence
from typing import Any

from handgrad.checker.records import CellError
from handgrad.checker.session import Session


def run(session: Session, source: str, names: dict[str, Any], cell: int | None = None) -> None:
    """Run a script or one cell, recorded; what it raises is raised."""
    names["__handgrad__"] = session.hook
    tree = session.transform(ast.parse(source), cell, source)
    with session.recording():
        exec(compile(tree, "it.py" if cell is None else f"cell {cell}", "exec"), names)


def run_all(session: Session, code: str | Sequence[str], names: dict[str, Any]) -> list[CellError]:
    """Run a script or a notebook's cells, one after the other; return what they raised."""
    errors = []
    names["__name__"] = "__main__"
    for number, source in enumerate([code] if isinstance(code, str) else code, 1):
        cell = None if isinstance(code, str) else number
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                run(session, source, names, cell)
        except Exception as error:
            errors.append(CellError(cell, None, f"{type(error).__name__}: {error}"))
    assert session.recorder.failures == []
    return errors
