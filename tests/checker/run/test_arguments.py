"""The script's own arguments, and modules."""

import subprocess
import sys
from pathlib import Path

import pytest

from checker.run.conftest import Writer
from handgrad.cli import run

pytestmark = pytest.mark.usefixtures("faked")
Captured = pytest.CaptureFixture[str]
SAYS = (
    "import sys\nprint(sys.argv, sys.path[0], __name__, __package__, __spec__ and __spec__.name)\n"
)


def test_arguments_reach_the_script(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "s.py"
    path.write_text(f"{SAYS}da = 1\n")
    assert run(["check", str(path), "--show-output", "--", "--n", "8", "--", "-m"]) == 0
    assert repr([str(path), "--n", "8", "--", "-m"]) in capsys.readouterr().err


def test_a_notebook_takes_none(notebook: Writer, capsys: Captured) -> None:
    path = notebook("da = 1")
    assert run(["check", str(path), "--", "--n"]) == 2
    line = f"handgrad: arguments after -- are for scripts, and {path} is a notebook\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("name", ["pack.inner.job", "pack", "single"])
def test_a_module_sees_what_it_sees_under_python(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (tmp_path / "pack" / "inner").mkdir(parents=True)
    (tmp_path / "pack" / "__init__.py").write_text("")
    (tmp_path / "pack" / "inner" / "helper.py").write_text("v = 7")
    (tmp_path / "pack" / "__main__.py").write_text(f"{SAYS}da = 1\n")
    (tmp_path / "pack" / "inner" / "job.py").write_text(
        f"from .helper import v\nfrom . import helper\n{SAYS}da = v\n"
    )
    (tmp_path / "single.py").write_text(f"{SAYS}da = 1\n")
    monkeypatch.chdir(tmp_path)
    plain = subprocess.run(
        [sys.executable, "-m", name, "a"], capture_output=True, text=True, check=True
    )
    assert run(["check", "-m", name, "--show-output", "--", "a"]) == 0
    assert capsys.readouterr().err == plain.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-m", "gone"], "-m gone: no module named gone; looked in HERE and sys.path"),
        (["-m", "here.gone"], "-m here.gone: no module named here; looked in HERE and sys.path"),
        (
            ["s.py", "-m", "gone"],
            "-m gone: checks one module and no file; arguments of its own follow --",
        ),
    ],
)
def test_refused(
    arguments: list[str],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["check", *arguments]) == 2
    assert capsys.readouterr().err == f"handgrad: {line}\n".replace("HERE", str(tmp_path))
