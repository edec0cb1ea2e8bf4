"""Cells run as in Jupyter, except for what is skipped or reported."""

import hashlib
import json
from pathlib import Path

import pytest

from checker.run.conftest import Writer
from handgrad.checker.records import CellError, Note, Place
from handgrad.checker.run.run import Outcome, check_file
from handgrad.errors import CheckError

pytestmark = pytest.mark.usefixtures("faked")


def graded(outcome: Outcome) -> list[str]:
    return [
        f"{row.hand} {row.place and (row.place.cell, row.place.line)}"
        for row in outcome.report.rows
    ]


def test_a_cell_that_raises_does_not_stop_the_rest(notebook: Writer) -> None:
    outcome = check_file(notebook("da = 1\n1 / 0", "db = 1"))
    assert graded(outcome) == ["da (1, 1)", "db (2, 1)"]
    assert outcome.report.errors == (CellError(1, 2, "ZeroDivisionError: division by zero"),)


@pytest.mark.parametrize(
    ("source", "line", "error"),
    [
        ("x = (", 1, "SyntaxError: '(' was never closed"),
        ("\n\nx = 1\n\ny = = 2", 5, "SyntaxError: invalid syntax"),
        (
            "if 1:\nx",
            2,
            "IndentationError: expected an indented block after 'if' statement on line 1",
        ),
        ("import sys\nsys.exit('enough')", 2, "SystemExit: enough"),
        ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
        (
            "\n\ninput('name? ')",
            3,
            "EOFError: input() was called, but handgrad check runs without a user to answer",
        ),
        ("%%time\n\nx = 1\n1 / 0", 4, "ZeroDivisionError: division by zero"),
        ("x = 1\n%time y = 1 / 0", 2, "ZeroDivisionError: division by zero"),
        ("%nosuch", 1, "UsageError: Line magic function `%nosuch` not found."),
        ("half()", 1, "ValueError: 1 ... (in half, cell 1, line 3)"),
        ("class E(Exception):\n  def __str__(self): return 1\nraise E", 3, "E"),
        ("'\\ud800' + 1", 1, 'TypeError: can only concatenate str (not "int") to str'),
        ("raise ValueError('\\ud800\\x1b[31m')", 1, "ValueError: \\ud800\\x1b[31m"),
        ("raise ExceptionGroup('g', [ValueError(1)])", 1, "ExceptionGroup: g (1 sub-exception)"),
        ("await half()", 1, "ValueError: 1 ... (in half, cell 1, line 3)"),
    ],
)
def test_errors_say_where(notebook: Writer, source: str, line: int, error: str) -> None:
    first = "da = 1\ndef half():\n    raise ValueError('1\\n  2')"
    outcome = check_file(notebook(first, source))
    assert outcome.report.errors == (CellError(2, line, error),)


def test_a_missing_data_file_is_named_with_its_path(notebook: Writer, tmp_path: Path) -> None:
    outcome = check_file(notebook("open('data/names.txt')", "da = 1"))
    assert outcome.report.errors == (
        CellError(
            1,
            1,
            "FileNotFoundError: [Errno 2] No such file or directory: 'data/names.txt'"
            f" (looked for {tmp_path}/data/names.txt; the file runs in {tmp_path})",
        ),
    )


def test_a_refusal_names_the_first_error(notebook: Writer, tmp_path: Path) -> None:
    path = notebook("words = open('names.txt').read()", "da = words + 1")
    with pytest.raises(CheckError) as caught:
        check_file(path)
    assert str(caught.value) == (
        f"{path}: nothing to check: nothing was graded; cell 1, line 1 failed: FileNotFoundError:"
        " [Errno 2] No such file or directory: 'names.txt'"
        f" (looked for {tmp_path}/names.txt; the file runs in {tmp_path})"
    )


def test_a_lone_surrogate_in_a_cell(tmp_path: Path) -> None:
    """JSON can contain what UTF-8 cannot. Only that cell may fail, not the report."""
    cells = [{"cell_type": "code", "source": text} for text in ("x = '\ud800'", "da = 1")]
    path = tmp_path / "t.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": cells}))
    report = check_file(path).report
    assert [row.hand for row in report.rows] == ["da"]
    assert report.errors == (
        CellError(
            1,
            None,
            "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' in position 5:"
            " surrogates not allowed",
        ),
    )


COMMANDS = (
    "!touch made\nfiles = !touch made\nda = len(files)",
    "%%bash\ntouch made",
    "if True:\n    %pip install nothing\n%timeit open('made', 'w')",
    "pip install nothing",  # automagic: no % needed
    "for _ in range(3):\n    !touch made",
)


def test_shell_commands_are_skipped(notebook: Writer, tmp_path: Path) -> None:
    """Only those are noted whose output has a name: nothing else needed them."""
    outcome = check_file(notebook(*COMMANDS))
    assert outcome.report.notes == (Note("HG280", "skipped: !touch made", place=Place(2, 1)),)
    assert outcome.report.errors == ()
    assert not (tmp_path / "made").exists()


def test_skipped_commands_are_noted_where_a_file_is_missing(notebook: Writer) -> None:
    outcome = check_file(notebook(*COMMANDS, "open('made')"))
    assert [(note.place, note.message) for note in outcome.report.notes] == [
        (Place(1, 1), "skipped: !touch made"),
        (Place(2, 1), "skipped: !touch made"),
        (Place(1, 2), "skipped: %%bash"),
        (Place(2, 3), "skipped: %pip install nothing"),
        (Place(1, 4), "skipped: %pip install nothing"),
        (Place(2, 5), "skipped: !touch made"),
    ]
    assert {note.code for note in outcome.report.notes} == {"HG280"}


def test_line_numbers_are_those_of_the_cell(notebook: Writer) -> None:
    """IPython drops blank lines at the top and wraps a cell under `%%time`."""
    outcome = check_file(notebook("\n\nda = 1", "%%time\ndb = 1", "x = 1\n%time dc = 1"))
    assert graded(outcome) == ["da (1, 3)", "db (2, 2)", "dc (3, 2)"]
    assert [row.statement for row in outcome.report.rows] == ["da = 1", "db = 1", "dc = 1"]


def test_plots_are_not_drawn(notebook: Writer) -> None:
    plot = "import matplotlib.pyplot as plt\nplt.plot([1])\nplt.show()\nda = len(plt.get_fignums())"
    magics = "%matplotlib inline\n%config InlineBackend.figure_format = 'retina'\n"
    outcome = check_file(notebook(magics + plot, "print('open:', plt.get_fignums())"))
    assert outcome.report.errors == ()
    assert "open: []" in outcome.output


def test_features_of_jupyter(notebook: Writer, tmp_path: Path) -> None:
    """Last-expression display, `_`, `display`, `get_ipython`, source of functions, await."""
    outcome = check_file(
        notebook(
            "da = 40\nda + 2",
            "print(_, In[1].split()[0])\ndisplay('shown')",
            "import inspect\ndef f():\n    return 'own source'\nprint(inspect.getsource(f))",
            "import asyncio\nawait asyncio.sleep(0)\nprint(get_ipython().execution_count)",
            "import os, sys\nprint(os.getcwd(), sys.path[0], __name__)",
        )
    )
    assert outcome.output.splitlines() == [
        "Out[1]: 42",
        "42 da",
        "'shown'",
        "def f():",
        "    return 'own source'",
        "",
        "5",
        f"{tmp_path} {tmp_path} __main__",
    ]


def test_exit_ends_the_run(notebook: Writer) -> None:
    outcome = check_file(notebook("da = 1", "x = 1\nexit()", "db = 1"))
    assert graded(outcome) == ["da (1, 1)"]
    assert outcome.report.notes == (
        Note("HG281", "exit() ends the run: no cell after this one ran.", place=Place(2, 2)),
    )


def test_a_module_beside_the_file_is_imported_by_the_file_only(
    notebook: Writer, tmp_path: Path
) -> None:
    (tmp_path / "handgrad.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "json.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "helper.py").write_text("value = 7")
    outcome = check_file(notebook("import helper\nda = helper.value\nprint(da)"))
    assert (outcome.report.errors, outcome.output) == ((), "7\n")


def test_the_file_is_not_changed(notebook: Writer, tmp_path: Path) -> None:
    path = notebook("da = 1\nda", "1/0")
    before = hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns
    check_file(path)
    assert (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.ipynb"]


def test_nothing_is_written_to_the_home_folder(
    notebook: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    check_file(notebook("da = 1"))
    assert list(home.iterdir()) == []


def test_a_file_without_a_gradient_by_hand_does_not_run(notebook: Writer, tmp_path: Path) -> None:
    path = notebook("open('ran', 'w')\nx = 1")
    with pytest.raises(CheckError) as caught:
        check_file(path)
    assert str(caught.value) == (
        f"{path}: nothing to check: found no gradient by hand, such as dh for a tensor h."
        " If yours has another name, use --pair NAME=TENSOR"
    )
    assert not (tmp_path / "ran").exists()


def test_a_gradient_in_a_cell_that_python_cannot_parse_counts(notebook: Writer) -> None:
    """Magics and syntax errors: the rest of the notebook can still be graded."""
    for source in ("%%time\nda = 1", "!ls\nda = 1", "x = (", "if True:\n  %time da = 1"):
        report = check_file(notebook("da = 0", source)).report
        assert report.rows[0].hand == "da"
    with pytest.raises(CheckError, match=r"nothing was graded; cell 1, line 2 failed: SyntaxError"):
        check_file(notebook("da = 1\nx = ("))


def test_a_file_with_a_pair_always_runs(notebook: Writer, tmp_path: Path) -> None:
    with pytest.raises(CheckError, match=r"nothing was graded$"):
        check_file(notebook("open('ran', 'w').close()\nx = 1"), pairs={"g": "x"})
    assert (tmp_path / "ran").exists()


def test_the_extension_does_nothing_in_a_check(notebook: Writer) -> None:
    """Notebooks load it for Jupyter; in a check it would record everything twice."""
    setup = "try:\n    %load_ext handgrad\n    %handgrad where\nexcept Exception:\n    1 / 0"
    report = check_file(notebook(setup, "da = 1\n%handgrad off")).report
    assert ([row.hand for row in report.rows], report.notes, report.errors) == (["da"], (), ())


def test_an_indented_cell_runs_as_older_versions_of_ipython_ran_it(notebook: Writer) -> None:
    outcome = check_file(notebook("import math", "  x = 1\n# a comment\n  da = x"))
    assert outcome.report.errors == ()
    assert graded(outcome) == ["da (2, 3)"]
