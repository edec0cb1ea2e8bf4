"""Steps as one captured graph of kernels that is replayed: one launch in place of fifty.

A step of the lecture's sizes is some fifty small kernels, and launching one from Python takes
longer than running it. A captured graph launches them all at once, but it keeps the addresses,
shapes and Python numbers that it was captured with. Everything that differs between two steps is
therefore in tensors that keep their addresses: the batches and rates of all steps of a block, one
row per step, and the number of the next row.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from handgrad.engine import Batch
from handgrad.optim import OPTIMIZERS
from handgrad.training.backends.eager import engine_of, treated
from handgrad.training.folder import RunFolder, batches_of
from handgrad.training.settings import TrainSettings
from handgrad.training.state import Checkpoint

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.training.interrupt import Stop

Capture = Callable[[Callable[[], None], torch.device], Callable[[], None]]
"""(step, device) -> a function that repeats the step. It may take up to LEAST_STEPS steps first."""

TOKENS = 2**19
"""Maximum number of tokens in the batches of a block: 4 MiB on the GPU."""
LEAST_STEPS, MOST_STEPS = 8, 500
"""Bounds of the steps in a block: a capture may take 8, and after 500 waiting for the losses costs
little."""
WARM_UP = 3
"""Steps before the capture, as in torch's documentation: libraries initialise themselves."""


def cuda_graph(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Capture `step` on a new stream; replays run on the stream that is current then.

    Raises RuntimeError, torch's own, if the step cannot be captured.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device):
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        # cuBLAS has one workspace per stream, so the warm-up must use the capture's stream. And if
        # a capture fails, torch.cuda.graph leaves its stream current; this one restores the old.
        with torch.cuda.stream(stream):
            try:
                for _ in range(WARM_UP):
                    step()
            finally:  # no step may still be running when the caller restores the tensors
                stream.synchronize()
            with torch.cuda.graph(graph, stream=stream):
                step()
    return graph.replay


CAPTURES: dict[str, Capture] = {"cuda": cuda_graph}
"""Device type -> how a step is captured on it."""


def capture_of(settings: TrainSettings) -> Capture | None:
    """Return how the run's steps are captured, or None if they are not.

    Only those of the fused engine are: the other torch engines are references for comparison.
    """
    if settings.engine != "fused":
        return None
    return CAPTURES.get(torch.device(settings.device).type)


@contextmanager
def unchanged(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Restore the values of `tensors`, in-place, at the end of the block."""
    before = [(tensor, tensor.clone()) for tensor in tensors]
    try:
        yield
    finally:
        for tensor, value in before:
            tensor.copy_(value)


class GraphSteps:
    """Blocks of at most S steps, each step a replay; nothing is computed or copied in between.

    K batches of a step, B batch size, T block_size, k rates of an update.
    """

    most: int

    def __init__(
        self, run: RunFolder, dataset: "Dataset", start: Checkpoint, capture: Capture
    ) -> None:
        """Capture a step; the run stays at its step. Raises what `capture` raises."""
        settings, block_size = run.settings, run.model.block_size
        size, self._block_size = settings.batch_size, block_size
        batches = settings.treatment.accumulate
        self._padding = run.model.padding
        self.params, self.state, self.optimizer = start.params, start.state, start.optimizer
        self.most = max(LEAST_STEPS, min(MOST_STEPS, TOKENS // (batches * size * (block_size + 1))))
        self._settings, self._dataset = settings, dataset
        self._engine = engine_of(run)
        self._optimizer = OPTIMIZERS[settings.optimizer]
        self._batches = batches_of(run, dataset)
        device, dtype = torch.device(settings.device), getattr(torch, settings.dtype)
        n_rates = len(self._rates_at(0))
        tokens: dict[str, Any] = {"dtype": torch.int64, "device": device}
        rows = (self.most, batches, size)
        self._inputs = torch.zeros((*rows, block_size), **tokens)  # (S, K, B, T)
        self._targets = torch.zeros(rows, **tokens)  # (S, K, B)
        self._rates = torch.ones((self.most, n_rates), dtype=dtype, device=device)  # (S, k)
        self._losses = torch.zeros(rows[:2], dtype=dtype, device=device)  # (S, K)
        self._row = torch.zeros(1, **tokens)
        with unchanged([*self.params.values(), *self.state.values(), *self.optimizer.values()]):
            self._replay = capture(self._step, device)

    def go(self, first: int, end: int, stop: "Stop") -> list[float]:
        """Take the steps `first` to `end`, at most `most`, fewer if `stop` is requested."""
        self._fill(first, end)
        done = 0
        while done < end - first and not (done and stop.requested):
            self._replay()
            done += 1
        # the only place that waits for the GPU
        return self._settings.treatment.mean(self._losses[:done].flatten().tolist())

    def _fill(self, first: int, end: int) -> None:
        """Write the batches and rates of the steps, from row 0 on."""
        count, (_, batches, size) = end - first, self._targets.shape
        positions = self._batches.positions(first * batches, count * batches)
        inputs, targets = self._dataset.contexts(positions, self._block_size, self._padding)
        rates = [self._rates_at(step) for step in range(first, end)]
        self._inputs[:count].copy_(torch.from_numpy(inputs).view(count, batches, size, -1))
        self._targets[:count].copy_(torch.from_numpy(targets).view(count, batches, size))
        # rounded from float64 once, like a Python number that is passed to torch
        self._rates[:count].copy_(torch.tensor(rates, dtype=self._rates.dtype))
        self._row.zero_()

    def _rates_at(self, step: int) -> tuple[float, ...]:
        settings = self._settings
        return self._optimizer.rates(settings.learning_rate(step), step, settings.hyperparameters)

    def _step(self) -> None:
        """Take the row's step and select the next row, all of it on the device."""
        row, params, state = self._row, self.params, self.state
        inputs, targets, rates = (
            rows.index_select(0, row).squeeze(0)
            for rows in (self._inputs, self._targets, self._rates)
        )
        batches = map(Batch, inputs.unbind(), targets.unbind())
        how = self._settings.treatment
        losses, grads, new = treated(self._engine, params, state, batches, how)
        hyper = self._settings.hyperparameters
        self._optimizer.update(params, grads, self.optimizer, rates.unbind(), hyper)
        if state:  # empty for a model without batchnorm
            torch._foreach_copy_(list(state.values()), [new[name] for name in state])
        self._losses.index_copy_(0, row, torch.stack(losses).view(1, -1))
        row.add_(1)
