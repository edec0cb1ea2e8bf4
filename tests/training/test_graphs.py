"""Captured steps: replays alone compute what eager steps compute."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from handgrad.data import Dataset
from handgrad.errors import DivergedError
from handgrad.optim import OPTIMIZERS
from handgrad.training import loop
from handgrad.training.backends import graphs
from handgrad.training.backends.eager import TorchSteps
from handgrad.training.backends.graphs import CAPTURES, GraphSteps, capture_of
from handgrad.training.backends.protocol import Steps
from handgrad.training.checkpoint import load
from handgrad.training.folder import RunFolder
from handgrad.training.interrupt import Stop
from handgrad.training.loop import train
from handgrad.training.reporter import Silent
from handgrad.training.settings import TrainSettings
from handgrad.training.start import begin, resume
from handgrad.training.state import Checkpoint
from recorded import recorded
from tiny import begun, model_for, train_tiny, words_dataset

TOLERANCE = {"float32": 1e-4, "float64": 1e-10}
"""After 120 steps. Eager SGD may add a product without rounding it, a GPU adds in any order: 5e-7
and 9e-16 were measured after 300 steps. Another step's rate, decay or batch is off by 1e-2."""
SIZES = [
    {"n_layer": n_layer, "batchnorm": batchnorm}
    for n_layer in (0, 1, 2, 3)
    for batchnorm in (True, False)
]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return words_dataset(tmp_path)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("sizes", SIZES)
def test_replays_agree_with_eager_steps(
    dataset: Dataset, device: str, sizes: dict[str, Any], optimizer: str, dtype: str
) -> None:
    """Over blocks of many lengths, across the step where the learning rate decays."""
    # eps: the bias before batchnorm has rounding for a gradient, which is not to be blown up
    chosen = {"optimizer": optimizer, "lr": 0.02, "weight_decay": 0.03, "eps": 1e-3, "steps": 120}
    model, settings = model_for(dataset, **sizes), {"device": device, "dtype": dtype, **chosen}
    (run, start), (_, same) = (begun(dataset, model, **settings) for _ in range(2))
    eager, replayed = TorchSteps(run, dataset, same), captured(run, dataset, start)
    first = 0
    for count in (1, 9, 40, 60, 10):
        theirs, ours = (steps.go(first, first + count, Stop()) for steps in (eager, replayed))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE[dtype])
        first += count
    assert_same(replayed, eager, TOLERANCE[dtype])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_clipped_and_accumulated_replays_agree_with_eager_steps(
    dataset: Dataset, device: str, optimizer: str
) -> None:
    chosen = {"optimizer": optimizer, "lr": 0.02, "eps": 1e-3, "steps": 120, "dtype": "float64"}
    chosen |= {"clip": 0.5, "accumulate": 3, "warmup": 10, "schedule": "linear"}
    model, settings = model_for(dataset), {"device": device, **chosen}
    (run, start), (_, same) = (begun(dataset, model, **settings) for _ in range(2))
    eager, replayed = TorchSteps(run, dataset, same), captured(run, dataset, start)
    first = 0
    for count in (1, 9, 30):
        theirs, ours = (steps.go(first, first + count, Stop()) for steps in (eager, replayed))
        assert len(ours) == count
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE["float64"])
        first += count
    assert_same(replayed, eager, TOLERANCE["float64"])


def captured(run: RunFolder, dataset: Dataset, start: Checkpoint) -> GraphSteps:
    return GraphSteps(run, dataset, start, CAPTURES[run.settings.device])


def assert_same(steps: Steps, expected: Steps, atol: float) -> None:
    for kind in ("params", "state", "optimizer"):
        ours, theirs = getattr(steps, kind), getattr(expected, kind)
        assert list(ours) == list(theirs)
        for name, value in theirs.items():
            torch.testing.assert_close(ours[name], value, rtol=0, atol=atol)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_tensors_keep_their_addresses(dataset: Dataset, device: str, optimizer: str) -> None:
    """A replay writes to addresses, and these tensors are saved and evaluated.

    Without the bias before batchnorm: its true gradient is 0, so whether rounding moves it is
    chance. Every other parameter moves by 0.007 and more.
    """
    model = model_for(dataset, hidden_bias=False)
    run, start = begun(dataset, model, device=device, optimizer=optimizer)
    steps = captured(run, dataset, start)
    before, begin = addresses(steps), {name: p.clone() for name, p in steps.params.items()}
    for first in (0, 10, 20):
        steps.go(first, first + 10, Stop())
    assert addresses(steps) == before
    assert all(start.params[name] is value for name, value in steps.params.items())
    moved = [name for name, value in begin.items() if not torch.equal(steps.params[name], value)]
    assert moved == list(begin)


def addresses(steps: Steps) -> list[int]:
    kept = (steps.params, steps.state, steps.optimizer)
    return [value.data_ptr() for numbers in kept for value in numbers.values()]


def test_capturing_changes_nothing(dataset: Dataset, device: str) -> None:
    (run, start), (_, same) = (begun(dataset, device=device, optimizer="adamw") for _ in range(2))
    assert_same(captured(run, dataset, start), TorchSteps(run, dataset, same), atol=0)


def test_a_capture_may_take_as_many_steps_as_there_are_rows(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When batches are so large that no more rows are allocated."""
    run, start = begun(dataset)
    monkeypatch.setattr(graphs, "TOKENS", run.settings.batch_size)

    def capture(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
        for _ in range(graphs.LEAST_STEPS):
            step()
        return step

    assert graphs.WARM_UP + 1 < graphs.LEAST_STEPS  # cuda_graph's
    steps = GraphSteps(run, dataset, start, capture)
    assert steps.most == graphs.LEAST_STEPS


def test_a_requested_stop_finishes_the_step(
    dataset: Dataset, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run, start), (_, same) = (begun(dataset, device=device, dtype="float64") for _ in range(2))
    steps, eager, stop = captured(run, dataset, start), TorchSteps(run, dataset, same), Stop()
    replays = counted(steps, monkeypatch, lambda n: setattr(stop, "requested", n >= 7))
    losses = steps.go(0, 100, stop)
    assert len(losses) == len(replays) == 7
    np.testing.assert_allclose(losses, eager.go(0, 7, Stop()), rtol=0, atol=TOLERANCE["float64"])
    assert_same(steps, eager, TOLERANCE["float64"])
    assert len(steps.go(7, 100, stop)) == 1  # one step at least, as of the other engines


def counted(
    steps: GraphSteps, monkeypatch: pytest.MonkeyPatch, then: Callable[[int], None]
) -> list[int]:
    """Return a list of the replays so far; `then` runs after each."""
    made: list[int] = []
    replay = steps._replay

    def counting() -> None:
        replay()
        made.append(len(made) + 1)
        then(len(made))

    monkeypatch.setattr(steps, "_replay", counting)
    return made


def test_a_replayed_run_agrees_with_an_eager_run(
    tmp_path: Path, dataset: Dataset, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rows, checkpoints, verification and evaluation in between."""
    often = {"eval_every": 7, "checkpoint_every": 11, "verify_every": 13, "device": device}
    chosen = {"optimizer": "adamw", "dtype": "float64", "eps": 1e-3, **often}
    by_replay = train_tiny(tmp_path / "replayed", dataset, **chosen)
    monkeypatch.delitem(CAPTURES, device)
    eagerly = train_tiny(tmp_path / "eager", dataset, **chosen)
    ours, theirs = (load(tmp_path / name, model_for(dataset)) for name in ("replayed", "eager"))
    assert_same(ours, theirs, TOLERANCE["float64"])  # type: ignore[arg-type]
    for split, loss in eagerly.losses.items():
        assert loss is not None
        # the parameters' tolerance, times the few units that a loss's slope comes to
        assert by_replay.losses[split].nats == pytest.approx(loss.nats, abs=1e-9)  # type: ignore[union-attr]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("at", [1, 13, 40, 59])
def test_stopped_and_resumed_gives_the_same_bits(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, at: int, optimizer: str
) -> None:
    """On the CPU: the sums of a GPU have no order."""
    monkeypatch.setitem(CAPTURES, "cpu", recorded)
    chosen = {"optimizer": optimizer, "checkpoint_every": 25}
    train_tiny(tmp_path / "whole", dataset, **chosen)
    monkeypatch.setattr(loop, "BLOCK_SECONDS", 0.0)  # blocks of one step after the first
    settings = TrainSettings(steps=60, batch_size=4, engine="fused", **chosen)  # type: ignore[arg-type]
    with begin(settings, model_for(dataset), dataset, tmp_path / "cut") as (run, start):
        stop = Stop()
        part = loop.TrainingLoop(run, dataset, start, Stopping(stop, at))
        part.go(stop)
        assert at <= part.step < 60
    with resume(tmp_path / "cut", {}) as (run, dataset, start):
        train(run, dataset, start, Silent())
    whole, cut = (tmp_path / name / "model.safetensors" for name in ("whole", "cut"))
    assert cut.read_bytes() == whole.read_bytes()


class Stopping(Silent):
    """Requests a stop at the end of the first block that reaches `at`."""

    def __init__(self, stop: Stop, at: int) -> None:
        self._stop, self._at = stop, at

    def progress(self, step: int, loss: float) -> None:
        self._stop.requested = self._stop.requested or step >= self._at


def test_divergence_is_noticed_within_a_block(
    tmp_path: Path, dataset: Dataset, device: str
) -> None:
    """From step 25 on the learning rate is far too large; later rows of the block are NaN too."""
    chosen = {"lr_decay_at": 25, "lr_decay": 1e38, "checkpoint_every": 20, "steps": 500}
    with pytest.raises(DivergedError) as caught:
        train_tiny(tmp_path / "run", dataset, device=device, **chosen)
    told = re.match(r"the loss is (nan|inf) after (\d+) steps", str(caught.value))
    assert told
    assert 25 < int(told[2]) < 30
    assert load(tmp_path / "run", model_for(dataset)).step == 20


def test_blocks_are_no_longer_than_the_allocated_rows(
    tmp_path: Path, dataset: Dataset, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "MOST_STEPS", 12)
    seen = [0]

    class Watching(Silent):
        def progress(self, step: int, loss: float) -> None:
            seen.append(step)

    train_tiny(tmp_path / "run", dataset, device=device, reporter=Watching(), eval_every=60)
    assert max(b - a for a, b in pairwise(seen)) == 12


def test_which_engines_are_captured() -> None:
    def named(**settings: object) -> str | None:
        capture = capture_of(TrainSettings(**settings).resolved())  # type: ignore[arg-type]
        return capture and capture.__name__

    assert named(device="cuda") == "cuda_graph"
    assert named(device="cuda:1", engine="fused") == "cuda_graph"
    assert named(device="cuda", engine="autograd") is None
    assert named(device="cuda", engine="chunked") is None
    assert named(device="cpu", engine="fused") is None
