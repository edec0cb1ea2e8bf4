"""Steps as one graph of kernels, captured once and replayed: what a launch costs is paid once.

A step of the lecture's sizes is some fifty small kernels, and launching one from Python takes
longer than it runs. A captured graph launches them all at once, but what it was captured with it
keeps: addresses, shapes and every number that Python had. So all that differs between two steps
lies in tensors that stay where they are: batches and rates of all steps until the next look, a row
each, and the row that is next.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from handgrad.engine import Batch
from handgrad.train.folder import batches_of
from handgrad.train.optimizer import OPTIMIZERS
from handgrad.train.runtime import tensors
from handgrad.train.schedule import SCHEDULES

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.train.checkpoint import Checkpoint
    from handgrad.train.folder import Run
    from handgrad.train.interrupt import Stop
    from handgrad.train.settings import TrainSettings

Capture = Callable[[Callable[[], None], torch.device], Callable[[], None]]
"""(step, device) -> what does the step again. May take LEAST_STEPS itself before it returns."""

TOKENS = 2**19
"""In the batches until the next look: 4 MiB on the device."""
LEAST_STEPS, MOST_STEPS = 8, 500
"""Until the next look: as many as a capture may take, and as make waiting for the losses cheap."""
WARM_UP = 3
"""Steps before the capture, as torch's documentation takes them: libraries set themselves up."""


def cuda_graph(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Capture `step` on a stream of its own; replays run on the stream that is then current.

    Raises RuntimeError, torch's own, where it cannot be captured.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device):
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        # cuBLAS keeps its workspace by stream: that of the warm-up must be the capture's. And where
        # a capture fails, torch.cuda.graph leaves its stream current; this one puts the old back.
        with torch.cuda.stream(stream):
            try:
                for _ in range(WARM_UP):
                    step()
            finally:  # what the caller then puts back, no step of these shall overwrite
                stream.synchronize()
            with torch.cuda.graph(graph, stream=stream):
                step()
    return graph.replay


CAPTURES: dict[str, Capture] = {"cuda": cuda_graph}
"""Type of device -> how a step is captured there."""


def capture_of(settings: "TrainSettings") -> Capture | None:
    """How the run's steps are captured, or None where they are not.

    The fused engine's alone: the others are there to be compared with, not to be fast.
    """
    if settings.engine != "fused":
        return None
    return CAPTURES.get(torch.device(settings.device).type)


@contextmanager
def unchanged(held: Iterable[Tensor]) -> Iterator[None]:
    """Whatever is done to the tensors within, they are then as they were, and where they were."""
    before = [(tensor, tensor.clone()) for tensor in held]
    try:
        yield
    finally:
        for tensor, value in before:
            tensor.copy_(value)


class GraphSteps:
    """S steps at most from look to look, each a replay: nothing is computed or copied in between.

    B batch size, T block_size, k rates of an update.
    """

    most: int

    def __init__(
        self, run: "Run", dataset: "Dataset", start: "Checkpoint", capture: Capture
    ) -> None:
        """Captures a step; the run stays where it is. Raises what `capture` raises."""
        settings, block_size = run.settings, run.model.block_size
        size, self._block_size = settings.batch_size, block_size
        self.params, self.state, self.optimizer = start.params, start.state, start.optimizer
        self.most = max(LEAST_STEPS, min(MOST_STEPS, TOKENS // (size * (block_size + 1))))
        self._settings, self._dataset = settings, dataset
        self._engine = tensors.engine(run)
        self._optimizer = OPTIMIZERS[settings.optimizer]
        self._lr = SCHEDULES[settings.schedule]
        self._batches = batches_of(run, dataset)
        device, dtype = torch.device(settings.device), getattr(torch, settings.dtype)
        n_rates = len(self._rates_at(0))
        tokens: dict[str, Any] = {"dtype": torch.int64, "device": device}
        self._inputs = torch.zeros((self.most, size, block_size), **tokens)  # (S, B, T)
        self._targets = torch.zeros((self.most, size), **tokens)  # (S, B)
        self._rates = torch.ones((self.most, n_rates), dtype=dtype, device=device)  # (S, k)
        self._losses = torch.zeros(self.most, dtype=dtype, device=device)  # (S,)
        self._row = torch.zeros(1, **tokens)
        with unchanged([*self.params.values(), *self.state.values(), *self.optimizer.values()]):
            self._replay = capture(self._step, device)

    def go(self, first: int, end: int, stop: "Stop") -> list[float]:
        """At most `most` steps."""
        self._fill(first, end)
        done = 0
        while done < end - first and not (done and stop.asked):
            self._replay()
            done += 1
        # only here is the device waited for
        return [float(loss) for loss in self._losses[:done].tolist()]

    def _fill(self, first: int, end: int) -> None:
        """Batches and rates of the steps, from row 0 on."""
        count, size = end - first, self._settings.batch_size
        positions = self._batches.positions(first, count)
        inputs, targets = self._dataset.contexts(positions, self._block_size)
        rates = [self._rates_at(step) for step in range(first, end)]
        self._inputs[:count].copy_(torch.from_numpy(inputs).view(count, size, -1))
        self._targets[:count].copy_(torch.from_numpy(targets).view(count, size))
        # rounded from float64 once, as a number that is handed to torch is
        self._rates[:count].copy_(torch.tensor(rates, dtype=self._rates.dtype))
        self._row.zero_()

    def _rates_at(self, step: int) -> tuple[float, ...]:
        settings = self._settings
        return self._optimizer.rates(self._lr(settings, step), step, settings)

    def _step(self) -> None:
        """The row's step and then the next row, all of it on the device."""
        row, params, state = self._row, self.params, self.state
        inputs, targets, rates = (
            rows.index_select(0, row).squeeze(0)
            for rows in (self._inputs, self._targets, self._rates)
        )
        loss, grads, new = self._engine.loss_and_grads(params, state, Batch(inputs, targets))
        self._optimizer.update(params, grads, self.optimizer, rates.unbind(), self._settings)
        if state:  # a model without batchnorm has none
            torch._foreach_copy_(list(state.values()), [new[name] for name in state])
        self._losses.index_copy_(0, row, loss.view(1))
        row.add_(1)
