"""`handgrad check` of several files as a command: output, files, exit codes, hints."""

import csv
import json
from pathlib import Path

import pytest

from handgrad.checker.records import Row
from handgrad.checker.report.file_result import FileResult, FileStatus
from handgrad.checker.report.report import Report
from handgrad.checker.run import many
from handgrad.checker.run import run as running
from handgrad.checker.run.run import Outcome
from handgrad.cli import run
from handgrad.cli.several import exit_code

pytestmark = pytest.mark.usefixtures("faked")
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, which contains right.py, raised.py and refused.py."""
    (tmp_path / "right.py").write_text("da = 1\nprint('said')")
    (tmp_path / "raised.py").write_text("da = 1\n1 / 0")
    (tmp_path / "refused.py").write_text("x = 1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


REFUSAL = (
    "nothing to check: found no gradient by hand, such as dh for a tensor h."
    " If yours has another name, use --pair NAME=TENSOR"
)
TABLE = f"""\
file        result   right  wrong  shape  missing  to blame, or what happened
right.py    ok           1      0      0        0
raised.py   raised       1      0      0        0  line 2: ZeroDivisionError: division by zero
refused.py  refused                                {REFUSAL}

3 files: 1 all correct, 1 with errors, 1 not gradable.
"""
FILES = ["right.py", "raised.py", "refused.py"]


def test_the_table_and_every_file(folder: Path, capsys: Captured) -> None:
    wanted = ["--json", "all.json", "--csv", "grades.csv", "--html", "pages"]
    assert run(["check", *FILES, *wanted]) == 1
    captured = capsys.readouterr()
    assert captured.out == TABLE
    assert captured.err.startswith("checked 3 files in ")
    assert captured.err.count("\n") == 1
    found = json.loads((folder / "all.json").read_text())
    assert [file["status"] for file in found["files"]] == ["ok", "raised", "refused"]
    with open(folder / "grades.csv", encoding="utf-8-sig", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == FILES
    pages = {path.name for path in (folder / "pages").iterdir()}
    assert pages == {"index.html", "001-right.py.html", "002-raised.py.html"}


def test_json_alone_to_standard_output(folder: Path, capsys: Captured) -> None:
    assert run(["check", *FILES, "--json", "-"]) == 1
    assert len(json.loads(capsys.readouterr().out)["files"]) == 3


def test_details_and_output(folder: Path, capsys: Captured) -> None:
    assert run(["check", *FILES, "--details", "--show-output"]) == 1
    captured = capsys.readouterr()
    report = "\nright.py\n\nRight\n  ✓ da    line 1    exact\n\n1 gradient by hand: 1 exact.\n"
    assert captured.out.startswith(TABLE + report + "\nraised.py\n")
    assert captured.err.startswith(
        "==> right.py <==\nsaid\n==> raised.py <==\n==> refused.py <==\n"
    )


def test_nothing_that_could_be_graded(folder: Path, capsys: Captured) -> None:
    assert run(["check", "refused.py", "gone.py"]) == 2
    assert "\n2 files: 2 not gradable.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (("ok", "ok"), 0),
        (("ok", "unfinished"), 0),
        (("ok", "wrong"), 1),
        (("ok", "raised"), 1),
        (("ok", "timeout"), 1),
        (("ok", "crashed"), 1),
        (("ok", "refused"), 1),
        (("crashed", "refused"), 2),
    ],
)
def test_exit_codes(statuses: tuple[FileStatus, ...], code: int) -> None:
    graded = Report("a.py", ())
    found = [
        FileResult(n, "a.py", status, report=None if status in ("crashed", "refused") else graded)
        for n, status in enumerate(statuses)
    ]
    assert exit_code(found) == code


@pytest.mark.parametrize("several", [False, True])
def test_a_hint_level_applies_to_every_form(
    several: bool, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    row = Row("h", "dh", "wrong", blame="root", cause="HG104", message="Off.", fix="dh = secret")
    report = Report("right.py", (row,))
    monkeypatch.setattr(running, "check_file", lambda *_, **__: Outcome(report, ""))
    found = [FileResult(n, name, "wrong", report=report) for n, name in enumerate(FILES[:2])]

    def checked(*_: object, **__: object) -> object:
        yield from found

    monkeypatch.setattr(many, "check_files", checked)
    files = FILES[:2] if several else FILES[:1]
    for level, cause, fix in (("where", 0, 0), ("what", 1, 0), ("fix", 1, 1)):
        wanted = ["--json", "a.json", "--csv", "a.csv", "--details", "--hint", level]
        page = "pages" if several else "page.html"
        assert run(["check", *files, *wanted, "--html", page]) == 1
        html = folder / (f"{page}/001-right.py.html" if several else page)
        forms = [capsys.readouterr().out, (folder / "a.json").read_text(), html.read_text()]
        assert [bool("secret" in form) for form in forms] == [bool(fix)] * 3, level
        assert [bool("Off." in form) for form in forms] == [bool(cause)] * 3, level
        assert ("HG104" in (folder / "a.csv").read_text()) == bool(cause)


def test_one_file_has_a_row_and_a_page_too(folder: Path, capsys: Captured) -> None:
    assert run(["check", "right.py", "--csv", "a.csv", "--html", "a.html"]) == 0
    assert capsys.readouterr().out.endswith("\n1 gradient by hand: 1 exact.\n")
    row = (folder / "a.csv").read_text(encoding="utf-8-sig").splitlines()[1]
    assert row.startswith('"right.py","ok",1.0,1,0,0,0,0,"","",')
    assert (folder / "a.html").read_text().startswith("<!DOCTYPE html>")


def test_a_single_file_that_is_refused_has_a_row(folder: Path, capsys: Captured) -> None:
    assert run(["check", "refused.py", "--csv", "a.csv", "--html", "a.html", "--json", "a"]) == 2
    assert capsys.readouterr().err == f"handgrad: refused.py: {REFUSAL}\n"
    row = (folder / "a.csv").read_text(encoding="utf-8-sig").splitlines()[1]
    assert row.startswith('"refused.py","refused","","",')
    assert not (folder / "a.html").exists()
    assert not (folder / "a").exists()


NO_SOURCE = "this is a file to check; name the file to write, such as"
TARGETS = [
    (["--csv", "raised.py"], f"--csv raised.py: {NO_SOURCE} --csv grades.csv"),
    (["--html", "x.ipynb"], f"--html x.ipynb: {NO_SOURCE} --html report.html"),
    (["--json", "x.py"], f"--json x.py: {NO_SOURCE} --json results.json"),
    (["--csv", "-"], "--csv -: name a file; only --json - writes to standard output"),
    (
        ["--csv", "no/a.csv"],
        "cannot write no/a.csv: no is not a writable folder; name another file with --csv",
    ),
    (["--csv", "."], "cannot write .: it is a folder; name a file with --csv"),
    (["--csv", "a", "--json", "./a"], "--csv a: --json writes to the same file; name another one"),
    (["--hint", "all"], "--hint all: known: where, what, fix"),
    (["-j", "0"], "--jobs 0: must be 1 or more"),
]


@pytest.mark.parametrize(("arguments", "line"), TARGETS)
@pytest.mark.parametrize("files", [["right.py"], FILES])
def test_refused_before_anything_runs(
    arguments: list[str], line: str, files: list[str], folder: Path, capsys: Captured
) -> None:
    (folder / "right.py").write_text("da = 1\nopen('ran', 'w')")
    assert run(["check", *files, *arguments]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"handgrad: {line}\n")
    assert not (folder / "ran").exists()


def test_the_folder_of_pages_is_a_file(folder: Path, capsys: Captured) -> None:
    (folder / "page.html").write_text("")
    assert run(["check", *FILES, "--html", "page.html"]) == 2
    assert capsys.readouterr().err == (
        "handgrad: cannot write page.html: it is a file; for several files --html needs a folder\n"
    )


def test_other_targets_are_written_if_one_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """The folder of the pages disappears meanwhile: the CSV and the table are written."""
    (folder / "right.py").write_text("da = 1\nimport os\nos.rmdir('gone')")
    (folder / "gone").mkdir()
    assert run(["check", *FILES, "--html", "gone/pages", "--csv", "a.csv", "--no-sandbox"]) == 2
    captured = capsys.readouterr()
    assert captured.out == TABLE
    assert captured.err.endswith(
        "handgrad: cannot create the folder gone/pages: No such file or directory\n"
    )
    assert (folder / "a.csv").exists()
