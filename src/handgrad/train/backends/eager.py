"""Steps of the torch engines, called from Python."""

from typing import TYPE_CHECKING

from handgrad.optim import OPTIMIZERS
from handgrad.train.folder import RunFolder, batches_of
from handgrad.train.state import Checkpoint

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.engine import Engine
    from handgrad.train.interrupt import Stop


def engine_of(run: RunFolder) -> "Engine":
    """Return the run's engine from ENGINES."""
    from handgrad.engine import ENGINES

    return ENGINES[run.settings.engine](run.model)


class TorchSteps:
    """A batch, its loss and gradients, an update: each a call from Python."""

    most = 100  # reading the losses waits for the GPU

    def __init__(self, run: RunFolder, dataset: "Dataset", start: Checkpoint) -> None:
        settings = run.settings
        self.params, self.state, self.optimizer = start.params, start.state, start.optimizer
        self._settings = settings
        self._engine = engine_of(run)
        self._optimizer = OPTIMIZERS[settings.optimizer]
        self._batches = batches_of(run, dataset)

    def go(self, first: int, end: int, stop: "Stop") -> list[float]:
        """Take the steps `first` to `end`, fewer if `stop` is requested; return the losses."""
        import torch

        from handgrad.engine import Batch

        settings, params, state = self._settings, self.params, self.state
        # looked up once: a step is so short that a lookup per step is noticeable
        batch_at, lr_at, hyper = self._batches.at, settings.learning_rate, settings.hyperparameters
        rates_of, update = self._optimizer.rates, self._optimizer.update
        loss_and_grads, from_numpy = self._engine.loss_and_grads, torch.from_numpy
        device = None if settings.device == "cpu" else settings.device
        losses = []
        for step in range(first, end):
            inputs, targets = map(from_numpy, batch_at(step))
            if device:
                inputs, targets = inputs.to(device), targets.to(device)
            loss, grads, state = loss_and_grads(params, state, Batch(inputs, targets))
            update(params, grads, self.optimizer, rates_of(lr_at(step), step, hyper), hyper)
            del grads  # now: the next step's gradients then reuse this memory while it is cached
            losses.append(loss)
            if stop.requested:
                break
        self.state = state
        # the only place that waits for the losses
        return [float(loss) for loss in torch.stack(losses).tolist()]
