"""The forward passes that come with handgrad: exercises of them, and their solutions."""

from pathlib import Path

import pytest

from checker.exercise.conftest import checked, recorded
from handgrad.checker.exercise.builtin import builtin, summaries
from handgrad.checker.exercise.forward import described
from handgrad.checker.exercise.keep import Keeper
from handgrad.checker.exercise.notebook import blanks
from handgrad.checker.exercise.solution import by_gradient
from handgrad.checker.write.derive.derive import choose_pass, derive_pass
from handgrad.cli import run

Captured = pytest.CaptureFixture[str]
N_GRADIENTS = {
    "attention": 14,
    "batchnorm": 9,
    "gru": 26,
    "layernorm": 9,
    "lstm": 27,
    "microgpt": 34,
    "mlp": 25,
    "rmsnorm": 6,
    "rnn": 18,
}


def test_there_are_as_many_as_files() -> None:
    assert list(summaries()) == list(N_GRADIENTS)
    assert all(summary.endswith(".") for summary in summaries().values())


@pytest.mark.parametrize("name", N_GRADIENTS)
def test_its_solution_is_right_and_the_untouched_exercise_has_no_mistake(name: str) -> None:
    source = builtin(name).read_text()
    session, errors = recorded(source)
    forward = described(session.recorder.trace, name, errors, solved=True)
    keeper = Keeper(name, forward)
    given = keeper.keep(source, None)
    names = [blank.name for blank in blanks(forward, keeper.names)]
    lines = by_gradient(forward.derived, names)
    n = N_GRADIENTS[name]
    assert (len(names), set(lines)) == (n, set(names))

    solved = checked([given, "loss.backward()", *(lines[gradient] for gradient in names)])
    right = {row.hand for row in solved.rows if row.verdict in ("exact", "rounding")}
    assert right >= set(names)  # and steps towards them
    assert len(right) == len(solved.rows)
    untouched = checked([given, "loss.backward()", *(f"{gradient} = ..." for gradient in names)])
    assert untouched.ok
    assert untouched.counts["missing"] == n


@pytest.mark.parametrize("name", N_GRADIENTS)
def test_its_closed_forms_are_right(name: str) -> None:
    session, _ = recorded(builtin(name).read_text())
    derived = derive_pass(choose_pass(session.recorder.trace, name), name, fused=True)
    assert derived.ok
    assert "in closed form" in str(derived)


def test_the_command_writes_an_exercise_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["exercise", "--of", "rmsnorm"]) == 0
    assert capsys.readouterr().out == (
        "rmsnorm-exercise.ipynb: 6 gradients to write, from dy to dx.\n"
        "Check it with: handgrad check rmsnorm-exercise.ipynb --hint where\n"
    )
    written = (tmp_path / "rmsnorm-exercise.ipynb").read_text()
    assert "# The backward pass of `rmsnorm`, by hand" in written


def test_the_command_lists_them(capsys: Captured) -> None:
    assert run(["exercise", "--list"]) == 0
    first, *_ = capsys.readouterr().out.split("\n")
    assert first == (
        "attention  Causal self-attention with several heads: each position averages what came "
        "before it."
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "missing forward pass"),
        (["a.py", "--of", "lstm"], "FORWARD and --of cannot be combined"),
    ],
)
def test_one_forward_pass_must_be_named(
    arguments: list[str], problem: str, capsys: Captured
) -> None:
    assert run(["exercise", *arguments]) == 2
    assert capsys.readouterr().err == (
        f"handgrad: {problem}; name a notebook or a script, or a built-in forward pass with --of "
        "(--list shows them)\n"
    )


def test_an_unknown_one_is_refused_with_the_known_ones(capsys: Captured) -> None:
    assert run(["exercise", "--of", "lst"]) == 2
    assert capsys.readouterr().err == (
        "handgrad: --of lst: not a built-in forward pass; there are attention, batchnorm, gru, "
        "layernorm, lstm, microgpt, mlp, rmsnorm, rnn\n"
    )


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
