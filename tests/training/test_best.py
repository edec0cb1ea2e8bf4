"""Early stopping and the best weights, by the val loss of the evaluations."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from handgrad.data import Dataset
from handgrad.training import loop
from handgrad.training.checkpoint import load
from handgrad.training.interrupt import Stop
from handgrad.training.loop import train
from handgrad.training.metrics import MetricsRow, read_metrics
from handgrad.training.reporter import Silent
from handgrad.training.settings import TrainSettings
from handgrad.training.start import begin, resume
from tiny import FLAGS, command, model_for, train_tiny, words_dataset, write_words

EVERYTHING = {
    "steps": 60,
    "optimizer": "adam",
    "lr": 0.02,
    "weight_decay": 0.001,
    "schedule": "cosine",
    "lr_min": 0.01,
    "warmup": 5,
    "clip": 0.8,
    "accumulate": 2,
    "eval_every": 4,
    "checkpoint_every": 10,
    "best": True,
}
"""The val loss is lowest at step 16: the words are few."""
BEST = 16


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return words_dataset(tmp_path)


def val_losses(folder: Path) -> dict[int, float]:
    return {row.step: row.val_loss or 0.0 for row in read_metrics(folder)}


def rows(folder: Path) -> list[tuple[object, ...]]:
    """Return the rows without the seconds."""
    return [(r.step, r.lr, r.loss, r.train_loss, r.val_loss) for r in read_metrics(folder)]


def model_bytes(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


class Acting(Silent):
    """Calls a function at the row of a step, before a checkpoint of that step."""

    def __init__(self, step: int, act: Callable[[], None]) -> None:
        self._step, self._act = step, act
        self.said: list[str] = []

    def row(self, row: MetricsRow) -> None:
        if row.step == self._step:
            self._act()

    def say(self, line: str) -> None:
        self.said.append(line)


def test_the_weights_are_those_of_the_lowest_val_loss(tmp_path: Path, dataset: Dataset) -> None:
    """Those of the checkpoint that was written at its step."""
    folder, model, kept = tmp_path / "run", model_for(dataset), {}

    def look() -> None:
        saved = load(folder, model)
        assert (saved.step, saved.weights_of) == (BEST, None)
        kept.update(saved.params | saved.state)

    chosen = EVERYTHING | {"checkpoint_every": 4}
    result = train_tiny(folder, dataset, model, Acting(BEST + 4, look), **chosen)
    losses = val_losses(folder)
    assert min(losses, key=losses.__getitem__) == BEST
    saved = load(folder, model)
    for name, value in kept.items():
        assert torch.equal((saved.params | saved.state)[name], value), name
    assert saved.state.keys() - kept.keys() == {"bnmean_calibrated", "bnvar_calibrated"}
    assert (result.steps, result.weights_of, result.finished) == (60, BEST, True)
    assert (saved.step, saved.weights_of) == (60, BEST)
    again = json.loads((folder / "train.json").read_text())
    assert (again["step"], again["weights_of"], again["best"]["step"]) == (60, BEST, BEST)
    assert again["best"]["val_loss"] == pytest.approx(losses[BEST], rel=1e-5)


def test_the_last_weights_are_kept_by_default(tmp_path: Path, dataset: Dataset) -> None:
    results = [
        train_tiny(tmp_path / name, dataset, **(EVERYTHING | {"best": best}))
        for name, best in (("best", True), ("last", False))
    ]
    assert rows(tmp_path / "best") == rows(tmp_path / "last")
    assert model_bytes(tmp_path / "best") != model_bytes(tmp_path / "last")
    assert results[1].weights_of is None
    assert "best" not in json.loads((tmp_path / "last" / "train.json").read_text())


@pytest.mark.parametrize(("patience", "last"), [(1, 20), (3, 28), (5, 36), (11, 60), (12, 60)])
def test_patience(tmp_path: Path, dataset: Dataset, patience: int, last: int) -> None:
    """The run is finished at its last evaluation, and its rows are those of a run without it."""
    reporter = Acting(-1, lambda: None)
    chosen = EVERYTHING | {"patience": patience}
    result = train_tiny(tmp_path / "run", dataset, reporter=reporter, **chosen)
    assert (result.steps, result.finished, result.weights_of) == (last, True, BEST)
    best = val_losses(tmp_path / "run")[BEST]
    early = (
        f"finished after step {last}: no better val loss than {best:.4f} of step {BEST} "
        f"in {patience} evaluations"
    )
    assert reporter.said == ([early] if last < 60 else [])
    assert list(val_losses(tmp_path / "run")) == list(range(4, last + 1, 4))
    with resume(tmp_path / "run", {}) as (run, same, start):
        again = train(run, same, start, Silent())
    assert (again.losses, again.steps, again.weights_of) == (result.losses, last, BEST)


@pytest.mark.parametrize("engine", ["fused", "compiled"])
@pytest.mark.parametrize("at", [3, 14, 17, 27])
def test_stopped_and_resumed_gives_the_same_bits(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, at: int, engine: str
) -> None:
    """Before and after the best evaluation, and in the last period."""
    chosen = EVERYTHING | {"patience": 3, "engine": engine, "batch_size": 4}
    whole = train_tiny(tmp_path / "whole", dataset, **chosen)
    monkeypatch.setattr(loop, "BLOCK_SECONDS", 0.0)  # blocks of one step after the first
    stop = Stop()

    class Stopping(Silent):
        def progress(self, step: int, loss: float) -> None:
            stop.requested = stop.requested or step >= at

    with begin(TrainSettings(**chosen), model_for(dataset), dataset, tmp_path / "cut") as opened:  # type: ignore[arg-type]
        run, start = opened
        part = loop.TrainingLoop(run, dataset, start, Stopping())
        part.go(stop)
        assert at <= part.step < 28
        assert not part.ended
    with resume(tmp_path / "cut", {}) as (run, same, start):
        assert (start.step, start.best is None) == (part.step, part.step < 4)
        result = train(run, same, start, Silent())
    assert (result.steps, result.weights_of) == (28, BEST)
    assert model_bytes(tmp_path / "cut") == model_bytes(tmp_path / "whole")
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")
    assert result.losses == whole.losses


@pytest.mark.parametrize("engine", ["fused", "compiled"])
def test_continued_to_more_steps_keeps_the_best(
    tmp_path: Path, dataset: Dataset, engine: str
) -> None:
    """The finished run goes on from its best weights; those of step 64 are not better."""
    folder, model, chosen = tmp_path / "run", model_for(dataset), {**EVERYTHING, "engine": engine}
    train_tiny(folder, dataset, model, batch_size=4, **chosen)
    before = load(folder, model)
    best = before.weights_of
    with resume(folder, {"steps": 64}) as (run, same, start):
        result = train(run, same, start, Silent())
    losses = val_losses(folder)
    assert max(losses) == 64
    assert min(losses, key=losses.__getitem__) == best
    saved = load(folder, model)
    assert (result.steps, result.weights_of, saved.step, saved.weights_of) == (64, best, 64, best)
    for name, value in before.params.items():
        assert torch.equal(saved.params[name], value), name


def killed() -> None:
    raise SystemExit


@pytest.mark.parametrize("at", [4, 16, 20, 24, 28])
def test_resumed_after_a_kill_gives_the_same_bits(
    tmp_path: Path, dataset: Dataset, at: int
) -> None:
    """The rows are later than the checkpoint, whose best weights may be older ones."""
    chosen = EVERYTHING | {"patience": 3}
    train_tiny(tmp_path / "whole", dataset, **chosen)
    with pytest.raises(SystemExit):
        train_tiny(tmp_path / "cut", dataset, reporter=Acting(at, killed), **chosen)
    with resume(tmp_path / "cut", {}) as (run, same, start):
        assert start.step == (at - 1) // 10 * 10  # a row is written first
        result = train(run, same, start, Silent())
    assert (result.steps, result.weights_of) == (28, BEST)
    assert model_bytes(tmp_path / "cut") == model_bytes(tmp_path / "whole")
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")


def test_killed_while_finishing(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = EVERYTHING | {"patience": 3}
    train_tiny(tmp_path / "whole", dataset, **chosen)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "draw_losses", lambda *arguments: killed())
        with pytest.raises(SystemExit):
            train_tiny(tmp_path / "cut", dataset, **chosen)
    with resume(tmp_path / "cut", {}) as (run, same, start):
        assert (start.step, start.finished) == (28, False)
        train(run, same, start, Silent())
    assert model_bytes(tmp_path / "cut") == model_bytes(tmp_path / "whole")


def test_the_command_says_which_step(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words, out = write_words(tmp_path), tmp_path / "run"
    chosen = EVERYTHING | {"patience": 3}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
    flags = [flag for flag in flags if flag != "--best=True"]
    code, shown, err = command(capsys, "train", "-i", words, "-o", out, *FLAGS, *flags, "--best")
    assert (code, err) == (0, "")
    lines = shown.splitlines()
    best = val_losses(out)[BEST]
    early = f"finished after step 28: no better val loss than {best:.4f} of step {BEST} "
    assert f"{early}in 3 evaluations" in lines
    [last] = [line for line in lines if "nats per character" in line]
    assert re.search(rf"after 28 steps in [\d.]+ s, weights of step {BEST}$", last)
    code, shown, _ = command(capsys, "evaluate", out, "--json=-")
    assert json.loads(shown)["step"] == BEST
    code, shown, _ = command(capsys, "train", "--resume", "-o", out, "--json=-")
    content = json.loads(shown)
    assert (content["steps"], content["weights_of"]) == (28, BEST)


def test_epochs_become_steps(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Characters for contexts, words for models on words; two batches a step."""
    words = write_words(tmp_path)
    dataset = words_dataset(tmp_path)
    for model, examples in (
        ("mlp", dataset.n_examples("train")),
        ("bigram", len(dataset.word_starts("train"))),
    ):
        out = tmp_path / model
        flags = ["--batch-size=8", "--engine=fused", "--epochs=3", "--accumulate=2"]
        given = ["-i", words, "-o", out, f"--model={model}", *flags]
        assert command(capsys, "train", *given)[0] == 0
        settings = json.loads((out / "train.json").read_text())["settings"]
        assert settings["steps"] == 3 * math.ceil(examples / 16)
        assert settings["epochs"] == 3
        assert command(capsys, "train", "--resume", "-o", out, "--epochs=3")[0] == 0
        assert command(capsys, "train", "--resume", "-o", out, "--epochs=4")[0] == 2
