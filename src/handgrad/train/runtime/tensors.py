"""Tensors of torch, on any device: for every engine but the compiled one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from handgrad.train.folder import batches_of
from handgrad.train.optimizer import OPTIMIZERS
from handgrad.train.schedule import SCHEDULES

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.engine import Engine
    from handgrad.models.initialise import Arrays
    from handgrad.train.checkpoint import Checkpoint
    from handgrad.train.folder import Run
    from handgrad.train.interrupt import Stop
    from handgrad.train.runtime import Numbers, Say, Steps
    from handgrad.train.settings import TrainSettings

FRAMEWORK = "pt"
CHANGEABLE: tuple[str, ...] = ()


def numbers(arrays: "Arrays", settings: "TrainSettings") -> "Numbers":
    """On the run's device."""
    import torch

    from handgrad.engine import to_tensors

    return dict(to_tensors(arrays, getattr(torch, settings.dtype), settings.device))


@contextmanager
def threads(n: int | None, run: "Run") -> Iterator[None]:
    """Torch's, by default one: at the lecture's sizes two take longer than one, many times longer
    on a busy machine. Afterwards as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n or 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def compile(run: "Run", say: "Say") -> None:
    """Nothing."""


def engine(run: "Run") -> "Engine":
    """The one of ENGINES."""
    from handgrad.engine import ENGINES

    return ENGINES[run.settings.engine](run.model)


def is_verified(run: "Run") -> bool:
    """Never: torch is loaded anyway, and one batch is soon verified."""
    return False


def remember(run: "Run") -> None:
    """Not kept."""


def steps(run: "Run", dataset: "Dataset", start: "Checkpoint", say: "Say") -> "Steps":
    """Each from Python; or captured once and replayed, where that is possible and proves right."""
    from handgrad.train.runtime.graphs import capture_of

    capture = capture_of(run.settings)
    if capture is None or start.step >= run.settings.steps:
        return TorchSteps(run, dataset, start)
    from handgrad.train.runtime.proof import proven

    return proven(run, dataset, start, say, capture)


class TorchSteps:
    """A batch, its loss and gradients, an update: each a call from Python."""

    most = 100  # each look waits for an accelerator to catch up

    def __init__(self, run: "Run", dataset: "Dataset", start: "Checkpoint") -> None:
        settings = run.settings
        self.params, self.state, self.optimizer = start.params, start.state, start.optimizer
        self._settings = settings
        self._engine = engine(run)
        self._optimizer = OPTIMIZERS[settings.optimizer]
        self._lr = SCHEDULES[settings.schedule]
        self._batches = batches_of(run, dataset)

    def go(self, first: int, end: int, stop: "Stop") -> list[float]:
        import torch

        from handgrad.engine import Batch

        settings, params, state = self._settings, self.params, self.state
        # looked up once: a step is short enough to feel it
        batch_at, lr_at = self._batches.at, self._lr
        rates_of, update = self._optimizer.rates, self._optimizer.update
        loss_and_grads, from_numpy = self._engine.loss_and_grads, torch.from_numpy
        device = None if settings.device == "cpu" else settings.device
        losses = []
        for step in range(first, end):
            inputs, targets = map(from_numpy, batch_at(step))
            if device:
                inputs, targets = inputs.to(device), targets.to(device)
            loss, grads, state = loss_and_grads(params, state, Batch(inputs, targets))
            rates = rates_of(lr_at(settings, step), step, settings)
            update(params, grads, self.optimizer, rates, settings)
            del grads  # now, so that the next step's find this memory still in the cache
            losses.append(loss)
            if stop.asked:
                break
        self.state = state
        # only here are the losses waited for
        return [float(loss) for loss in torch.stack(losses).tolist()]
