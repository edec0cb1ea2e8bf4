"""NumPy arrays, for compiled kernels on the CPU. Only `engine` here needs torch."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from handgrad.optim import Treatment, bias_corrections
from handgrad.training.backends.protocol import Say, Steps
from handgrad.training.folder import RunFolder, batches_of
from handgrad.training.settings import TrainSettings
from handgrad.training.state import Checkpoint, Numbers

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.engine import Engine
    from handgrad.models import Model
    from handgrad.models.initialise import Arrays
    from handgrad.training.interrupt import Stop

FRAMEWORK = "np"
CHANGEABLE: tuple[str, ...] = ("threads",)
STEPS, POSITIONS = 2**9, 2**14
"""Maximum steps per call; more for batches so small that their examples number fewer than
POSITIONS. Drawing positions and waking threads then takes little of a call, and positions take
little memory: 128 KiB for the lecture's batch, less than the batch itself for a larger one."""


def numbers(arrays: "Arrays", settings: TrainSettings) -> Numbers:
    """Return copies side by side in memory."""
    from handgrad.engine.compiled.memory import copied

    return dict(copied(arrays, settings.dtype))


def threads(n: int | None, run: RunFolder) -> AbstractContextManager[None]:
    """Allow `n` threads, by default one per CPU; only as many are used as help."""
    from handgrad.engine.compiled.threads import threads as up_to
    from handgrad.processors import available

    return up_to(n or available(), run.model, run.settings.batch_size)


def compile(run: RunFolder, say: Say) -> None:
    """Compile the step and its evaluation."""
    from handgrad.engine.compiled.ahead import compile_ahead
    from handgrad.engine.compiled.build import is_compiled
    from handgrad.engine.compiled.source import step_source

    settings = run.settings
    source = step_source(run.model, settings.optimizer, settings.treatment)
    if not is_compiled(source, settings.dtype):
        say("compiling the training step: at most twenty seconds, once per machine")
        compile_ahead(run.model, settings.optimizer, settings.dtype, settings.treatment)


def engine(run: RunFolder) -> "Engine":
    """Return the engine with the run's optimizer, which is part of what was compiled."""
    from handgrad.engine.compiled.spine import Compiled

    return Compiled(run.model, run.settings.optimizer, run.settings.treatment)


def is_verified(run: RunFolder) -> bool:
    """Look up model, optimizer, batch size, dtype, version and CPU: verifying needs torch."""
    from handgrad.engine.compiled import verified

    return verified.is_verified(*_key(run))


def remember(run: RunFolder) -> None:
    """Write a mark beside the kernels."""
    from handgrad.engine.compiled import verified

    verified.remember(*_key(run))


def _key(run: RunFolder) -> "tuple[Model, str, int, str, Treatment]":
    settings = run.settings
    return (
        run.model,
        settings.optimizer,
        settings.batch_size,
        settings.dtype,
        settings.treatment,
    )


def steps(run: RunFolder, dataset: "Dataset", start: Checkpoint, say: Say) -> Steps:
    """Return steps of which many run in one call."""
    return CompiledSteps(run, dataset, start)


class CompiledSteps:
    """All steps of a block in one call, which releases Python's global interpreter lock."""

    most: int

    def __init__(self, run: RunFolder, dataset: "Dataset", start: Checkpoint) -> None:
        from handgrad.engine.compiled.step import TrainingStep

        settings = run.settings
        self.params, self.state, self.optimizer = start.params, start.state, start.optimizer
        self._settings, self._tokens = settings, dataset.tokens
        self._batches = batches_of(run, dataset)
        self._treatment = settings.treatment
        batches = max(STEPS, POSITIONS // settings.batch_size)
        self.most = max(1, batches // self._treatment.accumulate)
        self._step = TrainingStep(
            run.model,
            settings.batch_size,
            self.params,
            self.state,
            self.optimizer,
            settings.optimizer,
            settings.hyperparameters,
            self._treatment,
        )

    def go(self, first: int, end: int, stop: "Stop") -> list[float]:
        """Take the steps `first` to `end`; return the batch losses."""
        settings = self._settings
        batches = self._treatment.accumulate  # of each step
        batch, count = first * batches, (end - first) * batches
        positions = self._batches.positions(batch, count).reshape(count, settings.batch_size)
        key = settings.seed, batch
        losses = self._step.run(self._tokens, positions, self._schedule(first, end), key)
        return self._treatment.mean(losses.tolist())

    def _schedule(self, first: int, end: int) -> Any:
        """Return (S, 3): learning rates, Adam's bias corrections with the root of the second."""
        import numpy as np

        settings = self._settings
        bias1, bias2 = bias_corrections(settings.hyperparameters, np.arange(first, end) + 1.0)
        rates = np.array([settings.learning_rate(step) for step in range(first, end)])
        return np.stack([rates, bias1, np.sqrt(bias2)], axis=1)
