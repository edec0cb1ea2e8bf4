"""What stops a run: numbers that are not finite, gradients that are wrong."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from torch import Tensor

from handgrad.data import Dataset
from handgrad.engine import ENGINES
from handgrad.engine.fused import Fused
from handgrad.errors import DivergedError, GradientError, SettingsError
from handgrad.layers import tanh
from handgrad.models import MLP, Model, WaveNet
from handgrad.training import loop
from handgrad.training.backends import arrays
from handgrad.training.backends.eager import TorchSteps
from handgrad.training.checkpoint import load
from handgrad.training.metrics import MetricsRow
from handgrad.training.reporter import Silent
from tiny import model_for, train_tiny, words_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return words_dataset(tmp_path)


class Poisoned(Fused):
    """Changes loss and gradients by `poison`, from its 26th step on."""

    def __init__(
        self, model: object, poison: Callable[[Tensor, dict[str, Tensor]], Tensor]
    ) -> None:
        super().__init__(model)  # type: ignore[arg-type]
        self._poison, self._step = poison, 0

    def loss_and_grads(self, params, state, batch):  # type: ignore[no-untyped-def]
        loss, grads, state = super().loss_and_grads(params, state, batch)
        self._step += 1
        return (self._poison(loss, grads) if self._step > 25 else loss), grads, state


def poisoned(
    monkeypatch: pytest.MonkeyPatch, poison: Callable[[Tensor, dict[str, Tensor]], Tensor]
) -> None:
    monkeypatch.setitem(ENGINES, "fused", lambda model: Poisoned(model, poison))
    monkeypatch.setattr(loop, "verify_gradients", lambda *_, **__: None)
    monkeypatch.setattr("handgrad.training.start.verify_gradients", lambda *_, **__: None)


@pytest.mark.parametrize(("bad", "shown"), [(math.nan, "nan"), (math.inf, "inf")])
def test_a_loss_that_is_not_finite(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, bad: float, shown: str
) -> None:
    poisoned(monkeypatch, lambda loss, grads: loss * bad)
    with pytest.raises(DivergedError) as caught:
        train_tiny(tmp_path / "run", dataset, checkpoint_every=20)
    assert str(caught.value) == (
        f"the loss is {shown} after 25 steps at learning rate 0.1; the last good checkpoint is "
        f"step 20 in {tmp_path}/run: train again with a smaller --lr"
    )
    assert load(tmp_path / "run", model_for(dataset)).step == 20


def test_non_finite_numbers_are_not_saved(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of step 26 is finite, its update is not, and a checkpoint is due at that step."""

    def poison(loss: Tensor, grads: dict[str, Tensor]) -> Tensor:
        grads["W1"].fill_(math.inf)
        return loss

    poisoned(monkeypatch, poison)
    with pytest.raises(DivergedError) as caught:
        train_tiny(tmp_path / "run", dataset, checkpoint_every=13)
    assert str(caught.value) == (
        "W1 is not finite after 26 steps at learning rate 0.1; the last good checkpoint is "
        f"step 13 in {tmp_path}/run: train again with a smaller --lr"
    )
    saved = load(tmp_path / "run", model_for(dataset))
    assert saved.step == 13
    assert all(param.isfinite().all() for param in saved.params.values())


class Watching(Silent):
    """Records the steps at which losses are checked."""

    def __init__(self) -> None:
        self._seen = [0]

    def progress(self, step: int, loss: float) -> None:
        self._seen.append(step)

    def longest(self) -> int:
        """Return the maximum number of steps between two checks."""
        return max(b - a for a, b in pairwise(self._seen))


def test_a_bad_loss_is_noticed_within_a_block(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = Watching()
    train_tiny(tmp_path / "run", dataset, steps=1000, eval_every=1000, reporter=watching)
    assert watching.longest() <= TorchSteps.most == 100


def test_compiled_steps_limit_the_positions_per_call(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = Watching()
    monkeypatch.setattr(arrays, "POSITIONS", 12)
    monkeypatch.setattr(arrays, "STEPS", 2)
    train_tiny(tmp_path / "run", dataset, engine="compiled", batch_size=4, reporter=watching)
    assert watching.longest() == 12 // 4
    watching = Watching()
    train_tiny(tmp_path / "wider", dataset, engine="compiled", batch_size=8, reporter=watching)
    assert watching.longest() == 2


WRONG = (
    r"^engine fused, step {step}: the gradients of \w+ and 3 more are wrong \(wrong\): "
    r"`handgrad verify` shows the line$"
)
"""All below tanh; which one comes first depends on rounding."""


def test_a_wrong_gradient_stops_before_the_first_step(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tanh, "backward", lambda dout, cache: (dout * 2,))
    with pytest.raises(GradientError, match=WRONG.format(step=0)):
        train_tiny(tmp_path / "run", dataset)
    assert not (tmp_path / "run").exists()


def test_verify_every_finds_a_gradient_that_becomes_wrong(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(Silent):
        def row(self, row: MetricsRow) -> None:
            monkeypatch.setattr(tanh, "backward", lambda dout, cache: (dout * 2,))

    with pytest.raises(GradientError, match=WRONG.format(step=20)):
        train_tiny(tmp_path / "run", dataset, reporter=Breaking(), eval_every=15, verify_every=20)


def test_batch_size_1_with_batchnorm(tmp_path: Path, dataset: Dataset) -> None:
    with pytest.raises(SettingsError) as caught:
        train_tiny(tmp_path / "run", dataset, batch_size=1)
    assert str(caught.value) == (
        "batch_size is 1 and the model has batchnorm, whose variance divides by n - 1 = 0: "
        "use --batch-size 2 or more, or --no-batchnorm"
    )
    assert not (tmp_path / "run").exists()
    without = model_for(dataset, batchnorm=False)
    assert train_tiny(tmp_path / "run", dataset, without, batch_size=1, steps=5).finished


@pytest.mark.parametrize(
    "model", [WaveNet(27, n_embd=2, n_hidden=3), MLP(27, batchnorm_output=True)]
)
def test_batch_size_1_with_a_batchnorm_that_no_option_removes(
    model: Model, tmp_path: Path, dataset: Dataset
) -> None:
    with pytest.raises(SettingsError) as caught:
        train_tiny(tmp_path / "run", dataset, model, batch_size=1)
    assert str(caught.value) == (
        "batch_size is 1 and the model has batchnorm, whose variance divides by n - 1 = 0: "
        "use --batch-size 2 or more"
    )
