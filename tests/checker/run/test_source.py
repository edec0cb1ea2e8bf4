"""Files that are refused before any of their code runs."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from checker.run.conftest import Writer
from handgrad.checker.run.cells import Cell
from handgrad.checker.run.source import read_source
from handgrad.errors import CheckError
from handgrad.text import one_line, printable

TAKES = "expected a notebook (.ipynb) or a script (.py)"


def refusal(path: str | Path) -> str:
    """Return the refusal of `path` without the folder of the test."""
    with pytest.raises(CheckError) as caught:
        read_source(path)
    return str(caught.value).replace(f"{Path(path).parent}{os.sep}", "")


def as_file(folder: Path, name: str, content: bytes | str | dict[str, Any]) -> Path:
    path = folder / name
    text = json.dumps(content) if isinstance(content, dict) else content
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def v4(*cells: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": list(cells)}


def code(source: Any) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": [], "metadata": {}}


REFUSED: list[tuple[str, Any, str]] = [
    ("a.txt", "x", f"a.txt: not a notebook or a script; {TAKES}"),
    ("a.py", "", "a.py: the file is empty"),
    ("a.py", "\n  \n", "a.py: the file is empty"),
    ("a.py", "x = 1\ny = (\n", "a.py:2: not valid Python: '(' was never closed"),
    ("a.py", "x = 1\n\0", "a.py: not valid Python: source code string cannot contain null bytes"),
    (
        "a.py",
        b"x = '\xe4'\n",
        "a.py: cannot be read as Python: invalid or missing encoding declaration",
    ),
    (
        "a.py",
        b"# coding: nonsense\n",
        "a.py: cannot be read as Python: unknown encoding: nonsense",
    ),
    ("a.ipynb", "", "a.ipynb: the file is empty"),
    (
        "a.ipynb",
        '{"cells": [\n  {"a": 1},\n',
        "a.ipynb:3: not a notebook, or damaged: Expecting value at column 1",
    ),
    (
        "a.ipynb",
        "PK\x03",
        "a.ipynb:1: not a notebook, or damaged: Expecting value at column 1",
    ),
    ("a.ipynb", b'{"a": "\xe4"}', "a.ipynb: not a notebook: byte 8 is not valid UTF-8"),
    ("a.ipynb", "[" * 100_000, "a.ipynb: not a notebook: its JSON is nested too deeply"),
    ("a.ipynb", "[1]", 'a.ipynb: not a notebook: its JSON has no "nbformat"'),
    ("a.ipynb", {"nbformat": 4}, 'a.ipynb: not a notebook: it has no list "cells"'),
    (
        "a.ipynb",
        {"nbformat": 5},
        "a.ipynb: notebook format 5 is not supported (3 and 4 are)."
        " Open it in Jupyter and save it again",
    ),
    (
        "a.ipynb",
        {"nbformat": 3, "worksheets": 7},
        "a.ipynb: cannot be upgraded from notebook format 3:"
        " TypeError: 'int' object is not iterable",
    ),
    ("a.ipynb", v4(), "a.ipynb: nothing to check: its cells contain no code"),
    ("a.ipynb", v4(code(" \n"), code(7)), "a.ipynb: nothing to check: its cells contain no code"),
    (
        "a.ipynb",
        v4(code("x"), kernelspec={"language": "julia", "name": "julia-1.9"}),
        "a.ipynb: the notebook is in julia; handgrad check runs Python only",
    ),
    (
        "a.ipynb",
        v4(code("x"), language_info={"name": "R"}),
        "a.ipynb: the notebook is in R; handgrad check runs Python only",
    ),
]


@pytest.mark.parametrize(("name", "content", "line"), REFUSED)
def test_refused(tmp_path: Path, name: str, content: Any, line: str) -> None:
    assert refusal(as_file(tmp_path, name, content)) == line


def test_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    assert refusal(path) == "a.py: no such file; looked for a.py"


def test_a_missing_file_is_named_with_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckError, match=r"^a") as caught:
        read_source("a.py")
    assert str(caught.value) == f"a.py: no such file; looked for {tmp_path}/a.py"


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").mkdir()
    assert refusal(tmp_path / "a.ipynb") == f"a.ipynb: is a folder; {TAKES}"


def test_pipe(tmp_path: Path) -> None:
    """Reading a named pipe would wait for ever."""
    os.mkfifo(tmp_path / "a.py")
    assert refusal(tmp_path / "a.py") == f"a.py: not a regular file; {TAKES}"


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_file(tmp_path, "a.py", "x")

    def denied(self: Path) -> bytes:  # chmod would not stop root, as which tests often run
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert refusal(path) == "a.py: cannot be read: Permission denied"


def test_cells_are_numbered_as_jupyter_numbers_them(tmp_path: Path) -> None:
    """Text cells and blank code cells get no `In [n]`; sources may be lists of lines."""
    markdown = {"cell_type": "markdown", "source": "# x", "metadata": {}}
    path = as_file(tmp_path, "a.ipynb", v4(code("a"), markdown, code(""), code(["b\n", "c"])))
    assert read_source(path).cells == (Cell(1, "a"), Cell(2, "b\nc"))


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + json.dumps(v4(code("a"))).encode()
    assert read_source(as_file(tmp_path, "a.ipynb", content)).cells == (Cell(1, "a"),)


def test_saved_output_is_read(tmp_path: Path) -> None:
    cell = code("a")
    cell["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": ["1\n", "2\n"]},
        {"output_type": "stream", "name": "stderr", "text": "careful"},
        {"output_type": "execute_result", "data": {"text/plain": "3", "text/html": "<b>3"}},
        {"output_type": "error", "ename": "E"},
    ]
    assert read_source(as_file(tmp_path, "a.ipynb", v4(cell))).cells[0].saved == "1\n2\n3\n"


def test_format_3_is_upgraded(tmp_path: Path) -> None:
    old = nbformat.v3.new_notebook(
        worksheets=[nbformat.v3.new_worksheet(cells=[nbformat.v3.new_code_cell("dh = 1")])]
    )
    path = as_file(tmp_path, "a.ipynb", nbformat.v3.writes_json(old))
    assert read_source(path).cells == (Cell(1, "dh = 1"),)


def test_script_in_its_own_encoding(tmp_path: Path) -> None:
    path = as_file(tmp_path, "a.py", "# coding: latin-1\nx = 'ä'\n".encode("latin-1"))
    assert read_source(path).cells == (Cell(None, "# coding: latin-1\nx = 'ä'\n"),)


def test_a_symlink_runs_in_its_own_folder(tmp_path: Path, notebook: Writer) -> None:
    (tmp_path / "here").mkdir()
    link = tmp_path / "here" / "t.ipynb"
    link.symlink_to(notebook("a"))
    assert read_source(link).path == link


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 한", "plain é 한"),
        ("\x1b[31m\x07\x9b", "\\x1b[31m\\x07\\x9b"),  # colours, bell, another way to colours
        ("a\u202eb", "a\\u202eb"),  # turns the text behind it round
        ("\ud800", "\\ud800"),  # half a character: no encoding takes it
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_one_line_is_cut() -> None:
    assert one_line("a\n  b" + "c" * 400, 10) == "a bcccc..."
    assert sys.getsizeof(one_line("x" * 10**6)) < 1000
