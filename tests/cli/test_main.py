"""The command line as a whole: exit codes, one line per error, heavy imports only when needed."""

import subprocess
import sys
from pathlib import Path

import pytest

from handgrad import __version__, cli
from handgrad.checker.exercise import write as exercise
from handgrad.errors import DataError, GradientError
from tiny import FLAGS, command, write_words

Capture = pytest.CaptureFixture[str]


def test_version(capsys: Capture) -> None:
    assert command(capsys, "--version") == (0, f"handgrad {__version__}\n", "")


def test_main_exits_with_the_code(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["nonsense"])
    assert left.value.code == 2
    assert capsys.readouterr().err == "handgrad: No such command 'nonsense': see handgrad --help\n"


def test_no_command_shows_the_help(capsys: Capture) -> None:
    code, out, err = command(capsys)
    assert (code, err) == (2, "")
    assert all(f" {name} " in out for name in ("train", "evaluate", "sample", "verify", "check"))


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DataError("a.txt:3: no text"), 2, "handgrad: a.txt:3: no text\n"),
        (GradientError("dW1 is wrong"), 1, "handgrad: dW1 is wrong\n"),
        (DataError("one\nline"), 2, "handgrad: one line\n"),
        (KeyboardInterrupt(), 130, "handgrad: interrupted\n"),
    ],
)
def test_errors(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    def raises(**arguments: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", raises)
    assert command(capsys) == (code, "", line)


def test_an_interruption_prints_a_message(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(exercise, "write_exercise", raises)
    interrupted = (130, "", "handgrad: interrupted\n")
    assert command(capsys, "exercise", "forward.py") == interrupted


def test_unexpected_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(**arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", raises)
    with pytest.raises(ZeroDivisionError):
        cli.run([])


@pytest.mark.parametrize("arguments", [[], ["--help"], ["train", "--help"], ["check", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    heavy = ("torch", "numpy", "matplotlib", "safetensors", "IPython", "nbformat", "pooch")
    code = (
        "import sys; from handgrad.cli import run; "
        f"run({arguments}); print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "handgrad", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"handgrad {__version__}\n"


def test_a_closed_pipe_is_quiet(capsys: Capture, tmp_path: Path) -> None:
    out = tmp_path / "run"
    flags = ["-i", write_words(tmp_path), "-o", out, *FLAGS, "--steps=2"]
    assert command(capsys, "train", *flags)[0] == 0
    # more than the 64 KiB that a pipe holds, or nobody would notice that it is closed
    sampling = f"{sys.executable} -m handgrad sample {out} -n 2000 --prefix {'abcdefg' * 10}"
    done = subprocess.run(
        ["bash", "-c", f"{sampling} | head -n 1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.count("\n")) == (cli.BROKEN_PIPE, 1)
    assert done.stderr == ""
