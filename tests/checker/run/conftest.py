"""Notebooks written in the test, and a fake session to run them through."""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from checker.run import fake
from handgrad.checker.run import many, process

Writer = Callable[..., Path]


@pytest.fixture
def notebook(tmp_path: Path) -> Writer:
    """`notebook(*sources)` writes those code cells to t.ipynb in the test's own folder."""

    def write(*sources: str, name: str = "t.ipynb") -> Path:
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        path = tmp_path / name
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return path

    return write


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child uses the fake session."""
    monkeypatch.setattr(process, "COMMAND", fake.COMMAND)
    monkeypatch.setattr(many, "seconded", lambda report, *_, **__: report)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the work of ana."""
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "ana.py").write_text("da = 1")
    monkeypatch.chdir(tmp_path / "class")
    return tmp_path / "class"
