"""Run forward passes and check exercises in this process."""

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
from handgrad.checker.run.wire import unpack
from handgrad.checker.session import Session

Cells = str | Sequence[str]


def recorded(code: Cells) -> tuple[Session, list[CellError]]:
    """Return a session that has recorded a script or the cells of a notebook, and the errors."""
    session = Session()
    return session, run_all(session, code, {})


@pytest.fixture
def forward() -> Callable[..., Forward]:
    """Return a function that describes the forward pass of a script or of cells."""

    def run(code: Cells, solved: bool = False) -> Forward:
        session, errors = recorded(code)
        made = described(session.recorder.trace, "f.py", errors, solved)
        return unpack(Forward, json.loads(json.dumps(asdict(made))))

    return run


def code_cells(file: Path) -> list[str]:
    """Return the code cells of a notebook, except the one with magics."""
    cells = json.loads(file.read_text())["cells"]
    sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    return [source for source in sources if "%load_ext" not in source]


def checked(cells: Cells) -> Report:
    """Return the report of a file that raises no error."""
    session, errors = recorded(cells)
    assert errors == []
    return session.finish("it")
