"""The loop: the same bits however it is interrupted, and a stop on errors."""

from pathlib import Path

import pytest
import torch

from handgrad.data import Dataset
from handgrad.engine import ENGINES, Batch
from handgrad.training import loop, prepare
from handgrad.training.checkpoint import load
from handgrad.training.interrupt import Stop
from handgrad.training.loop import Result, train
from handgrad.training.metrics import MetricsRow, read_metrics
from handgrad.training.reporter import Silent
from handgrad.training.settings import TrainSettings
from handgrad.training.start import begin, resume
from tiny import model_for, train_tiny, words_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return words_dataset(tmp_path)


class Stopping(Silent):
    """Requests a stop, as Ctrl-C does, at the end of the first block that reaches `at`."""

    def __init__(self, stop: Stop, at: int) -> None:
        self._stop, self._at = stop, at

    def progress(self, step: int, loss: float) -> None:
        if step >= self._at:
            self._stop.requested = True


def model_bytes(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def rows(folder: Path) -> list[tuple[object, ...]]:
    """Return the rows without the seconds."""
    return [(r.step, r.lr, r.loss, r.train_loss, r.val_loss) for r in read_metrics(folder)]


def test_it_learns(tmp_path: Path, dataset: Dataset) -> None:
    result = train_tiny(tmp_path / "run", dataset, steps=400)
    first, last = (read_metrics(result.run.folder)[at] for at in (0, -1))
    assert last.step == result.steps == 400
    assert first.train_loss is not None
    assert last.train_loss is not None
    assert last.train_loss < first.train_loss - 0.1
    assert result.finished
    assert result.losses.keys() == {"train", "val", "test"}


def test_the_first_steps_by_hand(tmp_path: Path, dataset: Dataset) -> None:
    """Three steps of SGD on the same batches with autograd's gradients."""
    from handgrad.data import Batches

    model = model_for(dataset)
    settings = TrainSettings(steps=3, batch_size=4, engine="autograd").resolved()
    start = prepare.fresh(model, settings)
    engine, params, state = ENGINES["autograd"](model), start.params, start.state
    batches = Batches(dataset, "train", 4, model.block_size, settings.seed)
    for step, lr in enumerate((0.1, 0.1 * 0.1, 0.1 * 0.1)):
        batch = Batch(*map(torch.from_numpy, batches.at(step)))
        _, grads, state = engine.loss_and_grads(params, state, batch)
        params = {name: param - lr * grads[name] for name, param in params.items()}
    train_tiny(tmp_path / "run", dataset, model, steps=3, engine="autograd")
    trained = load(tmp_path / "run", model)
    for name, param in params.items():
        # param - lr * grad rounds twice where SGD's add_ may round once: 2**-24 of about 1, 3 times
        assert torch.allclose(trained.params[name], param, rtol=0, atol=1e-6), name


@pytest.mark.parametrize("engine", ["fused", "compiled"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("at", [1, 13, 40, 59])
def test_stopped_and_resumed_gives_the_same_bits(
    tmp_path: Path,
    dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    at: int,
    optimizer: str,
    engine: str,
) -> None:
    chosen = {"optimizer": optimizer, "checkpoint_every": 25, "engine": engine}
    whole = train_tiny(tmp_path / "whole", dataset, **chosen)
    monkeypatch.setattr(loop, "BLOCK_SECONDS", 0.0)  # blocks of one step after the first
    settings = TrainSettings(steps=60, batch_size=4, **chosen)
    with begin(settings, model_for(dataset), dataset, tmp_path / "cut") as (run, start):
        stop = Stop()
        part = loop.TrainingLoop(run, dataset, start, Stopping(stop, at))
        part.go(stop)
        assert at <= part.step < 60
    given = {"threads": 3} if engine == "compiled" else {}  # no bit depends on it there
    with resume(tmp_path / "cut", given) as (run, dataset, start):
        assert start.step == part.step
        assert run.settings.threads == given.get("threads")
        result = train(run, dataset, start, Silent())
    assert model_bytes(tmp_path / "cut") == model_bytes(tmp_path / "whole")
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")
    assert result.losses == whole.losses


def test_resumed_after_a_kill_gives_the_same_bits(tmp_path: Path, dataset: Dataset) -> None:
    """A kill leaves a checkpoint some steps old, later rows, and an incomplete file."""

    class Killed(Silent):
        def row(self, row: MetricsRow) -> None:
            if row.step == 36:
                raise SystemExit

    settings = {"checkpoint_every": 25, "eval_every": 6}
    train_tiny(tmp_path / "whole", dataset, **settings)
    with pytest.raises(SystemExit):
        train_tiny(tmp_path / "cut", dataset, reporter=Killed(), **settings)
    (tmp_path / "cut" / ".model.safetensors.abcd1234").write_bytes(b"half")
    assert rows(tmp_path / "cut")[-1][0] == 36
    with resume(tmp_path / "cut", {}) as (run, dataset, start):
        assert start.step == 25
        train(run, dataset, start, Silent())
    assert model_bytes(tmp_path / "cut") == model_bytes(tmp_path / "whole")
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")
    assert not (tmp_path / "cut" / ".model.safetensors.abcd1234").exists()


def test_killed_while_finishing(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_tiny(tmp_path / "whole", dataset)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "draw_losses", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_tiny(tmp_path / "cut", dataset)
    with resume(tmp_path / "cut", {}) as (run, dataset, start):
        assert (start.step, start.finished) == (60, False)
        assert train(run, dataset, start, Silent()).finished
    assert model_bytes(tmp_path / "cut") == model_bytes(tmp_path / "whole")
    assert (tmp_path / "cut" / "loss.png").exists()


def _interrupt(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_finished_run_does_not_change(tmp_path: Path, dataset: Dataset) -> None:
    whole = train_tiny(tmp_path / "run", dataset)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()}
    with resume(tmp_path / "run", {}) as (run, dataset, start):
        assert start.finished
        again = train(run, dataset, start, Silent())
    assert again.losses == whole.losses
    assert again.steps == 60
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()} == before


def test_evaluation_verification_and_saving_change_nothing(
    tmp_path: Path, dataset: Dataset
) -> None:
    """Whatever their frequency."""
    train_tiny(tmp_path / "seldom", dataset, eval_every=60, checkpoint_every=60)
    train_tiny(tmp_path / "often", dataset, eval_every=7, checkpoint_every=11, verify_every=13)
    assert model_bytes(tmp_path / "seldom") == model_bytes(tmp_path / "often")


def test_seeds_differ(tmp_path: Path, dataset: Dataset) -> None:
    train_tiny(tmp_path / "a", dataset, seed=1)
    train_tiny(tmp_path / "b", dataset, seed=2)
    assert model_bytes(tmp_path / "a") != model_bytes(tmp_path / "b")


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_agree(tmp_path: Path, dataset: Dataset, engine: str) -> None:
    """In float64, rounding over 60 steps is far below 1e-10, and any mistake far above."""
    model = model_for(dataset)
    for name in (engine, "autograd"):
        train_tiny(tmp_path / f"{name}-", dataset, model, engine=name, dtype="float64")
        if engine == "autograd":
            break
    ours, reference = (load(tmp_path / f"{name}-", model).params for name in (engine, "autograd"))
    for name, value in reference.items():
        assert value.dtype == torch.float64
        assert torch.allclose(ours[name], value, rtol=0, atol=1e-10), name


def test_rows_contain_the_mean_batch_loss(tmp_path: Path, dataset: Dataset) -> None:
    train_tiny(tmp_path / "each", dataset, eval_every=1)
    train_tiny(tmp_path / "tens", dataset, eval_every=10)
    each = [row.loss for row in read_metrics(tmp_path / "each")]
    for nth, row in enumerate(read_metrics(tmp_path / "tens")):
        mean = sum(each[10 * nth : 10 * nth + 10]) / 10
        assert row.loss == pytest.approx(mean, rel=1e-5)  # both are written with six digits


def test_rows_contain_the_rate_of_their_last_step(tmp_path: Path, dataset: Dataset) -> None:
    train_tiny(tmp_path / "run", dataset, eval_every=10)  # 60 steps: the rate falls with the 31st
    rates = [row.lr for row in read_metrics(tmp_path / "run")]
    assert rates == [0.1, 0.1, 0.1, 0.01, 0.01, 0.01]


def test_only_a_finished_run_is_calibrated(tmp_path: Path, dataset: Dataset) -> None:
    running = set(model_for(dataset).state_shapes())

    class Looking(Silent):
        def row(self, row: MetricsRow) -> None:
            if row.step > 20:
                saved = load(tmp_path / "run", model_for(dataset))
                assert (set(saved.state), saved.finished) == (running, False)

    result = train_tiny(tmp_path / "run", dataset, reporter=Looking(), checkpoint_every=10)
    saved = load(tmp_path / "run", result.run.model)
    calibrated = {"bnmean_calibrated", "bnvar_calibrated"}
    assert (set(saved.state), saved.finished) == (running | calibrated, True)


def test_the_last_row_is_of_the_last_step(tmp_path: Path, dataset: Dataset) -> None:
    train_tiny(tmp_path / "run", dataset, eval_every=50)
    assert [row.step for row in read_metrics(tmp_path / "run")] == [50, 60]


def test_result_of_a_stopped_run(tmp_path: Path, dataset: Dataset) -> None:
    with begin(
        TrainSettings(steps=60, engine="fused"), model_for(dataset), dataset, tmp_path / "a"
    ) as (
        run,
        start,
    ):
        stop = Stop()
        stop.requested = True
        part = loop.TrainingLoop(run, dataset, start, Silent())
        part.go(stop)
        result: Result = part.result({})
    assert (result.steps, result.finished, result.losses) == (1, False, {})
