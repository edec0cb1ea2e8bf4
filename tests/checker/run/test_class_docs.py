"""docs/class.md shows what its commands print, and describes every result and column."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from checker.run.test_docs import COMMANDS, SCRIPTS
from handgrad.checker.report.file_result import STATUSES
from handgrad.checker.report.sheet import COLUMNS
from handgrad.cli import run
from paths import DOCS

PAGE = (DOCS / "class.md").read_text()


def test_the_commands_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripts = SCRIPTS.findall(PAGE)
    assert [name for name, _ in scripts] == ["forward.py", "ana.py", "ben.py"]
    for name, source in scripts:
        (tmp_path / name).write_text(source)
    monkeypatch.chdir(tmp_path)
    commands = COMMANDS.findall(PAGE)
    assert [command.split()[0] for command, _ in commands] == ["exercise", "check", "check"]
    for command, output in commands:
        run(command.split())
        assert capsys.readouterr().out == output.replace("FOLDER", str(tmp_path)), command


def test_the_code_of_the_page(tmp_path: Path) -> None:
    """Check several files through the public function."""
    for name, source in SCRIPTS.findall(PAGE)[1:]:
        (tmp_path / name).write_text(source)
    (code,) = re.findall(r"(?<!`:)\n\n```python\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stderr == ""
    right = "{'exact': 2, 'rounding': 0, 'shape': 0, 'wrong': 0, 'missing': 0}"
    wrong = "{'exact': 1, 'rounding': 0, 'shape': 0, 'wrong': 1, 'missing': 0}"
    assert sorted(done.stdout.splitlines()) == [f"ana.py ok {right}", f"ben.py wrong {wrong}"]


def test_every_result_and_every_column_is_in_the_page() -> None:
    named = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]*) \|", PAGE, re.M))))
    assert set(STATUSES) <= named
    assert set(COLUMNS) <= named
