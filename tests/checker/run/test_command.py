"""`handgrad check` as a command: what it prints, where, and its exit codes."""

import json
from pathlib import Path

import pytest

from checker.run.conftest import Writer
from handgrad.checker.records import Row
from handgrad.checker.report.report import Report
from handgrad.checker.run import run as running
from handgrad.checker.run.run import Outcome
from handgrad.cli import run

pytestmark = pytest.mark.usefixtures("faked")

Captured = pytest.CaptureFixture[str]


@pytest.mark.usefixtures("fresh_children")
def test_all_right(notebook: Writer, capsys: Captured) -> None:
    path = notebook("da = 1")
    assert run(["check", str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == (
        f"{path}\n\nRight\n  ✓ da    cell 1, line 1    exact\n\n1 gradient by hand: 1 exact.\n"
    )
    assert captured.err == ""


def test_a_cell_that_raised_is_exit_1(notebook: Writer, capsys: Captured) -> None:
    assert run(["check", str(notebook("da = 1", "1/0"))]) == 1
    assert "  cell 2, line 1  ZeroDivisionError: division by zero\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("verdict", "code"), [("exact", 0), ("missing", 0), ("shape", 1), ("wrong", 1)]
)
def test_exit_code_of_a_verdict(
    verdict: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    report = Report("a.py", (Row("h", "dh", verdict),))  # type: ignore[arg-type]
    monkeypatch.setattr(running, "check_file", lambda *_, **__: Outcome(report, ""))
    assert run(["check", "a.py"]) == code


def test_json_to_standard_output_alone(notebook: Writer, capsys: Captured) -> None:
    path = notebook("da = 1\nprint('noise')", "1/0")
    assert run(["check", str(path), "--json", "-"]) == 1
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["file"] == str(path)
    assert report["ok"]
    assert report["errors"] == [
        {"cell": 2, "line": 1, "error": "ZeroDivisionError: division by zero"}
    ]
    assert captured.err == ""


def test_json_to_a_file_beside_the_text(notebook: Writer, tmp_path: Path, capsys: Captured) -> None:
    target = tmp_path / "report.json"
    assert run(["check", str(notebook("da = 1")), "--json", str(target)]) == 0
    assert json.loads(target.read_text())["counts"]["exact"] == 1
    assert "1 gradient by hand: 1 exact.\n" in capsys.readouterr().out


def test_show_output(notebook: Writer, capsys: Captured) -> None:
    assert run(["check", str(notebook("da = 1\nprint('seen')")), "--show-output"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "seen\n"
    assert "seen" not in captured.out


REFUSED = [
    ([], "Missing argument 'FILE': see handgrad check --help"),
    (["gone.py"], "gone.py: no such file; looked for HERE/gone.py"),
    (["t.ipynb", "--timeout", "-1"], "--timeout -1: must be a number of seconds above 0"),
    (["t.ipynb", "--max-steps", "0"], "--max-steps 0: must be 1 or more"),
    (["t.ipynb", "--pair", "dh"], "--pair dh: expected NAME=TENSOR, such as --pair dh=a"),
    (["t.ipynb", "--pair", "=a"], "--pair =a: expected NAME=TENSOR, such as --pair dh=a"),
    (
        ["t.ipynb", "--pair", "dh=a", "--pair", "dh=b"],
        "--pair dh: declared as the gradient of both a and b",
    ),
    (
        ["t.ipynb", "--json", "no/such/folder.json"],
        "cannot write no/such/folder.json: no/such is not a writable folder;"
        " name another file with --json",
    ),
]


@pytest.mark.parametrize(("arguments", "line"), REFUSED)
def test_refused(
    arguments: list[str],
    line: str,
    notebook: Writer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    notebook("da = 1\nopen('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    assert run(["check", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"handgrad: {line}\n".replace("HERE", str(tmp_path))
    assert captured.out == ""
    assert not (tmp_path / "ran").exists()


def test_pairs_reach_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watch(*arguments: object, **_: object) -> Outcome:
        seen.append(arguments)
        return Outcome(Report("a.py", ()), "")

    monkeypatch.setattr(running, "check_file", watch)
    run(["check", "a.py", "--pair", "dh=a", "--pair", " da = pre ", "--max-steps", "3"])
    assert seen == [(Path("a.py"), {"dh": "a", "da": "pre"}, 600.0, 3)]
