"""Exercises of the forward passes that come with handgrad."""

from pathlib import Path

import pytest

from checker.exercise.conftest import checked, code_cells
from handgrad.checker.exercise.builtin import FOLDER, summaries
from handgrad.checker.exercise.solution import by_gradient
from handgrad.cli import run

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_list_has_each_with_what_it_does(capsys: Captured) -> None:
    assert run(["exercise", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(file.stem for file in FOLDER.glob("*.py"))
    assert lines[7] == (
        "rmsnorm    RMSNorm divides each row by its root mean square, and applies a gain."
    )


def test_another_name(capsys: Captured) -> None:
    assert run(["exercise", "--of", "nope"]) == 2
    assert capsys.readouterr().err == (
        f"handgrad: --of nope: not a built-in forward pass; there are {', '.join(summaries())}\n"
    )


def test_a_solution_whose_steps_are_shared(folder: Path, capsys: Captured) -> None:
    """The gradients of x and Wv share a step, and the blank for Wv comes first."""
    assert run(["exercise", "--of", "attention", "--solution"]) == 0
    assert capsys.readouterr().out == (
        "attention-solution.ipynb: 14 of 14 gradients written, from dout to dWq.\n"
        "Check it with: handgrad check attention-solution.ipynb --hint where\n"
    )
    report = checked(code_cells(folder / "attention-solution.ipynb"))
    assert (report.ok, report.counts["missing"]) == (True, 0)


def test_a_step_goes_with_the_first_gradient_that_needs_it() -> None:
    lines = ["ds = dy.T", "dt = ds + 1", "dx = dt @ W.T", "# more", "dW = x.T @ dt", "dx += ds"]
    assert by_gradient(lines, ["dy", "dW", "dx"]) == {
        "dW": "ds = dy.T\ndt = ds + 1\ndW = x.T @ dt",
        "dx": "dx = dt @ W.T\ndx += ds",
    }
    assert by_gradient(lines, ["dy", "dx", "dW"]) == {
        "dx": "ds = dy.T\ndt = ds + 1\ndx = dt @ W.T\ndx += ds",
        "dW": "dW = x.T @ dt",
    }
