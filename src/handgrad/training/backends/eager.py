"""Steps of the torch engines, called from Python."""

from typing import TYPE_CHECKING

from handgrad.optim import OPTIMIZERS, Tensors, Treatment
from handgrad.training.folder import RunFolder, batches_of
from handgrad.training.state import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from torch import Tensor

    from handgrad.data import Dataset
    from handgrad.engine import Batch, Engine
    from handgrad.training.interrupt import Stop


def engine_of(run: RunFolder) -> "Engine":
    """Return the run's engine from ENGINES."""
    from handgrad.engine import ENGINES

    return ENGINES[run.settings.engine](run.model)


def batch_of(arrays: "Iterable[np.ndarray]", run: RunFolder, step: int) -> "Batch":
    """Return a batch on the run's device, with a key if a layer is random.

    `step` is its number: with accumulated gradients a step has several.
    """
    import torch

    from handgrad.engine import Batch

    settings = run.settings
    named = dict(zip(Batch._fields, map(torch.from_numpy, arrays), strict=False))
    if run.is_random:
        named["key"] = torch.tensor([settings.seed, step])
    if settings.device != "cpu":
        named = {name: tensor.to(settings.device) for name, tensor in named.items()}
    return Batch(**named)


def treated(
    engine: "Engine",
    params: Tensors,
    state: Tensors,
    batches: "Iterable[Batch]",
    how: Treatment,
) -> "tuple[list[Tensor], Tensors, Tensors]":
    """Return the batches' losses, the gradients for one update, and the state after the batches."""
    losses: list[Tensor] = []

    def gradients() -> "Iterator[Tensors]":
        nonlocal state
        for batch in batches:
            loss, grads, state = engine.loss_and_grads(params, state, batch)
            losses.append(loss)
            yield grads

    grads = how.apply(gradients())
    return losses, grads, state


class TorchSteps:
    """A batch, its loss and gradients, an update: each a call from Python."""

    most = 100  # reading the losses waits for the GPU

    def __init__(self, run: RunFolder, dataset: "Dataset", start: Checkpoint) -> None:
        settings = run.settings
        self.params, self.state, self.optimizer = start.params, start.state, start.optimizer
        self._settings, self._run = settings, run
        self._engine = engine_of(run)
        self._optimizer = OPTIMIZERS[settings.optimizer]
        self._batches = batches_of(run, dataset)

    def go(self, first: int, end: int, stop: "Stop") -> list[float]:
        """Take the steps `first` to `end`, fewer if `stop` is requested; return the losses."""
        import torch

        settings, params, state, run = self._settings, self.params, self.state, self._run
        # looked up once: a step is so short that a lookup per step is noticeable
        batch_at, lr_at, hyper = self._batches.at, settings.learning_rate, settings.hyperparameters
        rates_of, update = self._optimizer.rates, self._optimizer.update
        how, losses = settings.treatment, []
        for step in range(first, end):
            numbers = range(step * how.accumulate, (step + 1) * how.accumulate)
            batches = (batch_of(batch_at(number), run, number) for number in numbers)
            of_step, grads, state = treated(self._engine, params, state, batches, how)
            update(params, grads, self.optimizer, rates_of(lr_at(step), step, hyper), hyper)
            del grads  # now: the next step's gradients then reuse this memory while it is cached
            losses += of_step
            if stop.requested:
                break
        self.state = state
        # the only place that waits for the losses
        return how.mean(torch.stack(losses).tolist())
