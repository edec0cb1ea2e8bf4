"""Optimizers, clipping and accumulated gradients: the compiled step against the fused engine."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handgrad.constants import LAYERNORM_NODES
from handgrad.data import Dataset
from handgrad.engine.compiled.memory import copied
from handgrad.engine.compiled.source import argument_names, step_source
from handgrad.engine.compiled.step import TrainingStep
from handgrad.engine.compiled.threads import threads
from handgrad.kernels.jit import called
from handgrad.kernels.optimizers import decay_of
from handgrad.models import Bigram, LayerCall, Model
from handgrad.models.parameters import Parameter, Parameters
from handgrad.models.shared_calls import numbered
from handgrad.models.words import WordModel
from handgrad.optim import OPTIMIZERS, Hyperparameters, Treatment, is_matrix
from handgrad.training.backends import backend_of
from handgrad.training.folder import RunFolder
from handgrad.training.interrupt import Stop
from handgrad.training.prepare import fresh
from handgrad.training.settings import TrainSettings
from tiny import words_dataset


@dataclass(frozen=True)
class Normalised(WordModel):
    """A bigram table with a layernorm: few kernels to compile, and two parameters not decayed."""

    name = "normalised"

    def parameters(self) -> Parameters:
        rows = {name: Parameter((self.vocab_size,), 0.1, 1.0) for name in ("gain", "bias")}
        return {"C": Parameter((self.vocab_size, self.vocab_size), 1.0), **rows}

    def hidden_calls(self) -> list[LayerCall]:
        nodes = numbered(LAYERNORM_NODES, "1", "logits")
        return [
            LayerCall("embedding", ("inputs", "C"), ("emb",)),
            LayerCall("layernorm", ("emb", "gain", "bias"), nodes),
        ]


TREATMENTS = [Treatment(clip, batches) for clip, batches in product((None, 0.25), (1, 3))]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return words_dataset(tmp_path)


def after(dataset: Dataset, model: Model, steps: int, **settings: object) -> dict[str, np.ndarray]:
    """Return losses, parameters, state and moments after so many steps."""
    chosen = TrainSettings(steps=100, batch_size=4, dtype="float64", **settings).resolved()  # type: ignore[arg-type]
    run = RunFolder(Path(), model, dataset.vocabulary, chosen, "", "")
    start = fresh(model, chosen)
    backend = backend_of(chosen.engine)
    with backend.threads(1, run):
        taken = backend.steps(run, dataset, start, print)
        losses = [*taken.go(0, 7, Stop()), *taken.go(7, steps, Stop())]
    numbers = {**taken.params, **taken.state, **taken.optimizer}
    return {"losses": np.array(losses), **{k: np.asarray(v) for k, v in numbers.items()}}


@pytest.mark.parametrize("treatment", TREATMENTS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_it_updates_as_the_fused_engine(
    dataset: Dataset, optimizer: str, treatment: Treatment
) -> None:
    """In float64, over 40 steps of batches of words, whose sizes differ."""
    model = Normalised(dataset.vocabulary.size, block_size=7)
    chosen = {
        "optimizer": optimizer,
        "weight_decay": 0.05,
        "lr": 0.05,
        "schedule": "cosine",
        "warmup": 5,
        "clip": treatment.clip,
        "accumulate": treatment.accumulate,
        "init": "exercise",
    }
    ours, theirs = (
        after(dataset, model, 40, engine=engine, **chosen) for engine in ("compiled", "fused")
    )
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        # rounding is far below; any mistake (a batch, the norm, a decayed gain) is far above
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_part_of_the_treatment_matters(dataset: Dataset, optimizer: str) -> None:
    """The test above could not fail if none of these changed the numbers."""
    model = Normalised(dataset.vocabulary.size, block_size=7)
    common = {"optimizer": optimizer, "engine": "fused", "init": "exercise", "lr": 0.05}
    changes = [{}, {"clip": 0.25}, {"accumulate": 3}, {"weight_decay": 0.05}, {"warmup": 5}]
    weights = [after(dataset, model, 20, **common, **change)["C"] for change in changes]
    for nth, one in enumerate(weights):
        for other in weights[:nth]:
            assert np.abs(one - other).max() > 1e-4


def test_no_bit_depends_on_the_number_of_threads() -> None:
    """With 5,000 gradients, in five blocks of squares."""
    model, rows, batches = Normalised(70, block_size=7), 8, 2
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, 70, 5000).astype(np.uint8)
    tokens[::7] = 0
    positions = 7 * rng.integers(0, 700, (6 * batches, rows))
    treatment, hyper = Treatment(0.3, batches), Hyperparameters(weight_decay=0.1)
    results = []
    for n in (1, 2, 3, 8):
        params, state = (copied(x, "float64") for x in model.initialise("exercise", seed=1))
        moments = OPTIMIZERS["adam"].tensors(params)
        with threads(n, model, rows):
            step = TrainingStep(model, rows, params, state, moments, "adam", hyper, treatment)
        step._pace.timed = lambda steps_by, n=n: steps_by(n)  # type: ignore[method-assign]
        losses = step.run(tokens, positions, np.full((6, 3), 0.1))
        results.append({**params, **moments, "losses": losses})
    for other in results[1:]:
        for name, value in results[0].items():
            np.testing.assert_array_equal(other[name], value, err_msg=name)


@called
def decay(param: Any, numbers: Any) -> Any:
    return decay_of(param, numbers)


@pytest.mark.parametrize("shape", [(), (7,), (1, 5), (5, 1), (1, 1), (2, 3), (2, 3, 4), (1, 2, 3)])
def test_the_kernels_decay_what_the_torch_engines_decay(shape: tuple[int, ...]) -> None:
    assert decay(np.zeros(shape), np.array([0.5])) == 0.5 * is_matrix(shape)


TREATED = """\
        batches = int(numbers[5])
        accumulate(gradients, gradient_sums, step % batches, numbers, thread, team)
        if (step + 1) % batches:
            continue
        wait(thread, team)
        add_squares(gradients, gradient_squares, thread, team)
        wait(thread, team)
        clip(gradients, gradient_squares, numbers, thread, team)
        wait(thread, team)
        sgd(C, dC, schedule[step // batches], numbers, thread, team)
"""


def test_the_source_of_a_treatment() -> None:
    model = Bigram(27)
    source = step_source(model, "sgd", Treatment(1.0, 4))
    assert TREATED in source
    assert source == step_source(model, "sgd", Treatment(0.5, 2))  # numbers are not in it
    plain = step_source(model, "sgd")
    assert source.startswith(
        '"""Training steps of bigram, optimizer sgd, accumulated, clipped. Generated'
    )
    assert source.count("\n") - plain.count("\n") == 11
    assert "gradients, gradient_sums, gradient_squares" in source
    assert all(len(line) <= 100 for line in source.splitlines())
    names = argument_names(model, "sgd", Treatment(1.0, 4))
    assert len(names) == len(set(names))


def test_without_a_treatment_the_source_has_no_trace_of_it() -> None:
    plain = step_source(Bigram(27), "sgd", Treatment())
    assert "gradient" not in plain.replace("gradients are computed", "")
    assert "clip" not in plain
    assert "step //" not in plain
