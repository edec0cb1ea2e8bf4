"""Scripts run as with `python script.py`."""

import subprocess
import sys
from pathlib import Path

import pytest

from handgrad.checker.records import CellError
from handgrad.checker.run.run import check_file

pytestmark = pytest.mark.usefixtures("faked")


NOT_JSON = "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"
NOT_PYTHON = "SyntaxError: '(' was never closed (<string>, line 1)"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "s.py"


def test_as_main_in_its_own_folder(script: Path, tmp_path: Path) -> None:
    """A script sees the same about itself as under Python."""
    script.write_text(
        "import os, sys, __main__, helper\n"
        "print(__name__, __file__, sys.argv, sys.path[0], os.getcwd(), helper.value)\n"
        "print(__main__.__dict__ is globals(), __doc__, __spec__, __package__)\n"
        "da = 1\n"
    )
    (tmp_path / "helper.py").write_text("value = 7")
    plain = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    outcome = check_file(script)
    assert outcome.report.errors == ()
    assert outcome.output == plain.stdout
    assert str(tmp_path) in plain.stdout


@pytest.mark.parametrize(
    ("end", "errors"),
    [
        ("import sys; sys.exit()", ()),
        ("import sys; sys.exit(0)", ()),
        ("exit()", ()),
        ("raise SystemExit(3)", (CellError(None, 5, "SystemExit: 3"),)),
        ("f()", (CellError(None, 3, "ZeroDivisionError: division by zero"),)),
        ("raise KeyboardInterrupt", (CellError(None, 5, "KeyboardInterrupt"),)),
        ("import json; json.loads('x')", (CellError(None, 5, NOT_JSON),)),
        ("exec('x = (')", (CellError(None, 5, NOT_PYTHON),)),
    ],
)
def test_ends(script: Path, end: str, errors: tuple[CellError, ...]) -> None:
    """The script is graded up to its error, whose line is the deepest one in the script."""
    script.write_text(f"da = 1\ndef f():\n    1 / 0\n\n{end}\nfor _ in [0]:\n    dnever = 1\n")
    report = check_file(script).report
    assert [row.hand for row in report.rows] == ["da"]
    assert report.errors == errors


def test_an_imported_module_with_a_syntax_error(script: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("\n\nx = (")
    script.write_text("da = 1\nimport broken\n")
    assert check_file(script).report.errors == (
        CellError(None, 2, "SyntaxError: '(' was never closed (broken.py, line 3)"),
    )


def test_only_one_of_two_forks_answers(script: Path) -> None:
    script.write_text(
        "import os\nda = 1\nif os.fork() == 0:\n    raise SystemExit\nos.wait()\ndb = 1\n"
    )
    report = check_file(script).report
    assert [row.hand for row in report.rows] == ["da", "db"]


def test_processes_that_spawn_find_the_script(script: Path) -> None:
    """`multiprocessing` imports the script again under another name, instrumented or not."""
    # freed with its semaphores, about which multiprocessing may else warn while the child ends
    script.write_text(
        "import gc, multiprocessing\n"
        "def double(x):\n    return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        da = pool.map(double, [21])\n"
        "    print(da)\n"
        "    del pool\n"
        "    gc.collect()\n"
    )
    outcome = check_file(script)
    assert (outcome.report.errors, outcome.output) == ((), "[42]\n")


def test_running_threads_do_not_delay_the_answer(script: Path) -> None:
    script.write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=[60]).start()\nda = 1"
    )
    assert check_file(script, timeout=20).report.errors == ()


def test_future_and_encoding_lines_keep_their_place(script: Path) -> None:
    lines = ["# coding: latin-1", "'doc'", "from __future__ import annotations", "da: ä = 'ä'"]
    script.write_bytes("\n".join([*lines, "print(da)"]).encode("latin-1"))
    outcome = check_file(script)
    assert (outcome.report.errors, outcome.output) == ((), "ä\n")
