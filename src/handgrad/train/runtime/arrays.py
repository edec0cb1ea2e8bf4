"""Arrays of NumPy, for compiled kernels on the processor. Nothing here but `engine` takes torch."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from handgrad.train.folder import batches_of
from handgrad.train.schedule import SCHEDULES

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.engine import Engine
    from handgrad.models import Model
    from handgrad.models.initialise import Arrays
    from handgrad.train.checkpoint import Checkpoint
    from handgrad.train.folder import Run
    from handgrad.train.interrupt import Stop
    from handgrad.train.runtime import Numbers, Say, Steps
    from handgrad.train.settings import TrainSettings

FRAMEWORK = "np"
CHANGEABLE: tuple[str, ...] = ("threads",)
STEPS, POSITIONS = 2**9, 2**14
"""In one call at most: so many steps, or more of batches so small that their examples are fewer.
Drawing positions and waking threads then takes little of it, and positions little memory, 128 KiB
for the lecture's batch and less than a wider one itself."""


def numbers(arrays: "Arrays", settings: "TrainSettings") -> "Numbers":
    """Side by side in memory."""
    from handgrad.engine.compiled.memory import copied

    return dict(copied(arrays, settings.dtype))


def threads(n: int | None, run: "Run") -> AbstractContextManager[None]:
    """By default as many as there are processors: no more are used than help."""
    from handgrad.engine.compiled.threads import threads as up_to
    from handgrad.processors import available

    return up_to(n or available(), run.model, run.settings.batch_size)


def compile(run: "Run", say: "Say") -> None:
    """The step and its evaluation."""
    from handgrad.engine.compiled.ahead import compile_ahead
    from handgrad.engine.compiled.build import is_compiled
    from handgrad.engine.compiled.source import step_source

    settings = run.settings
    if not is_compiled(step_source(run.model, settings.optimizer), settings.dtype):
        say("compiling this model's step: about ten seconds, once on this machine")
        compile_ahead(run.model, settings.optimizer, settings.dtype)


def engine(run: "Run") -> "Engine":
    """With the run's optimizer, which is part of what was compiled."""
    from handgrad.engine.compiled.spine import Compiled

    return Compiled(run.model, run.settings.optimizer)


def is_verified(run: "Run") -> bool:
    """By model, optimizer, batch size, dtype, version and processor: verifying takes torch."""
    from handgrad.engine.compiled import verified

    return verified.is_verified(*_verified(run))


def remember(run: "Run") -> None:
    """Beside the kernels."""
    from handgrad.engine.compiled import verified

    verified.remember(*_verified(run))


def _verified(run: "Run") -> "tuple[Model, str, int, str]":
    settings = run.settings
    return run.model, settings.optimizer, settings.batch_size, settings.dtype


def steps(run: "Run", dataset: "Dataset", start: "Checkpoint", say: "Say") -> "Steps":
    """In one call from look to look."""
    return CompiledSteps(run, dataset, start)


class CompiledSteps:
    """All steps up to the next look at them in one call, which holds no lock of Python's."""

    most: int

    def __init__(self, run: "Run", dataset: "Dataset", start: "Checkpoint") -> None:
        from handgrad.engine.compiled.step import Step

        settings = run.settings
        assert settings.weight_decay is not None
        self.params, self.state, self.optimizer = start.params, start.state, start.optimizer
        self._settings, self._tokens = settings, dataset.tokens
        self._lr = SCHEDULES[settings.schedule]
        self._batches = batches_of(run, dataset)
        self.most = max(STEPS, POSITIONS // settings.batch_size)
        numbers = (settings.weight_decay, settings.beta1, settings.beta2, settings.eps)
        self._step = Step(
            run.model,
            settings.batch_size,
            self.params,
            self.state,
            self.optimizer,
            settings.optimizer,
            numbers,
        )

    def go(self, first: int, end: int, stop: "Stop") -> list[float]:
        settings = self._settings
        count = end - first
        positions = self._batches.positions(first, count).reshape(count, settings.batch_size)
        losses = self._step.run(self._tokens, positions, self._schedule(first, end))
        return [float(loss) for loss in losses]

    def _schedule(self, first: int, end: int) -> Any:
        """(S, 3): learning rates, and Adam's corrections for moments that start from zero."""
        import numpy as np

        settings = self._settings
        updates = np.arange(first, end) + 1.0
        return np.stack(
            [
                np.array([self._lr(settings, step) for step in range(first, end)]),
                1 - settings.beta1**updates,
                np.sqrt(1 - settings.beta2**updates),
            ],
            axis=1,
        )
