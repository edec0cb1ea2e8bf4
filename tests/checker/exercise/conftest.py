"""Forward passes run in this process, and exercises checked in it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from checker.sessions import run_all
from handgrad.checker.exercise.described import Forward
from handgrad.checker.exercise.forward import described
from handgrad.checker.records import CellError
from handgrad.checker.report.report import Report
from handgrad.checker.run.wire import unpack_as
from handgrad.checker.session import Session

Cells = str | Sequence[str]


def recorded(code: Cells) -> tuple[Session, list[CellError]]:
    """A session that has seen a script, or the cells of a notebook, run."""
    session = Session()
    return session, run_all(session, code, {})


@pytest.fixture
def forward() -> Callable[..., Forward]:
    """What an exercise is told of the forward pass in a script, or in cells."""

    def run(code: Cells, solved: bool = False) -> Forward:
        session, errors = recorded(code)
        made = described(session.recorder.trace, "f.py", errors, solved)
        return unpack_as(Forward, json.loads(json.dumps(asdict(made))))

    return run


def code_cells(file: Path) -> list[str]:
    """The code of a notebook, but for the cell with magics."""
    cells = json.loads(file.read_text())["cells"]
    sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    return [source for source in sources if "%load_ext" not in source]


def checked(cells: Cells) -> Report:
    """The report of a file that raises nothing."""
    session, errors = recorded(cells)
    assert errors == []
    return session.finish("it")
