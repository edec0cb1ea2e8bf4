"""Steps of a run, on tensors of torch or on arrays that kernels work on."""

from typing import TYPE_CHECKING, Any, Protocol

from handgrad.train.folder import batches_of
from handgrad.train.optimizer import OPTIMIZERS
from handgrad.train.schedule import SCHEDULES

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.train.checkpoint import Checkpoint, Numbers
    from handgrad.train.folder import Run
    from handgrad.train.interrupt import Stop


POSITIONS = 2**14
"""Examples whose positions are drawn at once, 128 KiB: tens of milliseconds of steps, and no more
memory than the lecture's batch."""


class Steps(Protocol):
    """A run between two steps. `params` and `optimizer` are written to, `state` may be replaced."""

    params: "Numbers"
    state: "Numbers"
    optimizer: "Numbers"
    most: int
    """Steps between two looks at the losses at most."""

    def go(self, first: int, end: int, stop: "Stop") -> list[float]:
        """Steps `first` to `end`, or fewer if asked to stop; the batches' losses."""
        ...


def steps_of(run: "Run", dataset: "Dataset", start: "Checkpoint") -> Steps:
    """Those of the run's engine."""
    return (CompiledSteps if run.settings.engine == "compiled" else TorchSteps)(run, dataset, start)


class TorchSteps:
    """A batch, its loss and gradients, an update: each a call from Python."""

    most = 100  # each look waits for an accelerator to catch up

    def __init__(self, run: "Run", dataset: "Dataset", start: "Checkpoint") -> None:
        from handgrad.engine import ENGINES

        settings = run.settings
        self.params, self.state, self.optimizer = start.params, start.state, start.optimizer
        self._settings = settings
        self._engine = ENGINES[settings.engine](run.model)
        self._update = OPTIMIZERS[settings.optimizer].update
        self._lr = SCHEDULES[settings.schedule]
        self._batches = batches_of(run, dataset)

    def go(self, first: int, end: int, stop: "Stop") -> list[float]:
        import torch

        from handgrad.engine import Batch

        settings, params, state = self._settings, self.params, self.state
        # looked up once: a step is short enough to feel it
        batch_at, lr_at, update = self._batches.at, self._lr, self._update
        loss_and_grads, from_numpy = self._engine.loss_and_grads, torch.from_numpy
        device = None if settings.device == "cpu" else settings.device
        losses = []
        for step in range(first, end):
            inputs, targets = map(from_numpy, batch_at(step))
            if device:
                inputs, targets = inputs.to(device), targets.to(device)
            loss, grads, state = loss_and_grads(params, state, Batch(inputs, targets))
            update(params, grads, self.optimizer, lr_at(settings, step), step, settings)
            del grads  # now, so that the next step's find this memory still in the cache
            losses.append(loss)
            if stop.asked:
                break
        self.state = state
        # only here are the losses waited for
        return [float(loss) for loss in torch.stack(losses).tolist()]


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
        self.most = max(1, POSITIONS // settings.batch_size)
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
