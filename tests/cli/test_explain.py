"""`handgrad explain`."""

import subprocess
import sys
from pathlib import Path

import pytest

from handgrad.checker.report import codes
from handgrad.cli import run

Captured = pytest.CaptureFixture[str]
PAGE = """\
Says it.

What: the exponent.

Wrong:

    dx = x
"""


@pytest.fixture(autouse=True)
def two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two pages."""
    monkeypatch.setattr(codes, "FOLDERS", ())
    notes = tmp_path / "notes.md"
    notes.write_text(f"# HG104: power rule\n{PAGE}# HG201: [alias]\nWhat: a name.")
    monkeypatch.setattr(codes, "PAGES_OF_NOTES", notes)


def test_the_list(capsys: Captured) -> None:
    assert run(["explain"]) == 0
    assert capsys.readouterr().out == "HG104  power rule\nHG201  [alias]\n"


@pytest.mark.parametrize("asked", [["HG104"], ["104"], ["power", "rule"], ["Power rule"]])
def test_a_page(asked: list[str], capsys: Captured) -> None:
    assert run(["explain", *asked]) == 0
    assert capsys.readouterr().out == f"HG104  power rule\n\n{PAGE}"


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("HG105", "did you mean HG104 (power rule), HG201 ([alias])?"),
        ("poer rule", "did you mean HG104 (power rule)?"),
        ("zzz", "handgrad explain lists them all"),
    ],
)
def test_an_unknown_code(asked: str, line: str, capsys: Captured) -> None:
    assert run(["explain", asked]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"handgrad: no code or name {asked!r}; {line}\n")


def test_it_loads_nothing_heavy() -> None:
    code = (
        "import sys; from handgrad.cli import run; run(['explain']); run(['explain', 'HG104']);"
        "assert not {'torch', 'numpy', 'IPython'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "HG104" in done.stdout


def test_several_codes(capsys: Captured) -> None:
    assert run(["explain", "HG201", "104"]) == 0
    out = capsys.readouterr().out
    assert out.index("HG201  [alias]") < out.index("HG104  power rule")
    assert run(["explain", "HG104", "HG999"]) == 2
    assert "no code or name 'HG999'" in capsys.readouterr().err
