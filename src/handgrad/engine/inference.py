"""What a model in evaluation mode offers, by torch or by compiled kernels; tokens in NumPy arrays.

Of models on contexts, inputs are (N, T), the T = block_size characters before each of N targets. Of
models on words, inputs are (N,), the characters of whole words end to end, and `offsets` (B + 1,)
are where the words begin. G words that are sampled together, V symbols.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from handgrad.models import Model

Tokens = npt.NDArray[np.int64]


class Inference(Protocol):
    """A model with its parameters, and calibrated statistics if it has them, else running."""

    def loss_sum(self, inputs: Tokens, targets: Tokens, offsets: Tokens | None = None) -> float:
        """Return the sum of the losses of the targets (N,), in nats, float64."""
        ...

    def logits(self, inputs: Tokens, offsets: Tokens | None = None) -> npt.NDArray[Any]:
        """Return the logits (N, V), one row for each target."""
        ...

    def calibrate(self, batches: Callable[[], Iterable[Tokens]]) -> dict[str, Any]:
        """Return the state with the statistics of all of `batches()` added."""
        ...

    def words(self, count: int) -> "Words":
        """Begin `count` words."""
        ...


class Words(Protocol):
    """Words in the making, all of one length; what was computed for a character is kept."""

    def advance(self, tokens: Tokens) -> npt.NDArray[Any]:
        """Append a character to each word, (G,); return the logits (G, V) of the next ones."""
        ...


class Windows:
    """Words of a model on contexts: it reads the last T characters of each."""

    def __init__(self, inference: Inference, count: int, model: Model) -> None:
        self._inference = inference
        self._inputs = np.full((count, model.block_size), model.padding, np.int64)

    def advance(self, tokens: Tokens) -> npt.NDArray[Any]:
        """Append a character to each word, (G,); return the logits (G, V) of the next ones."""
        self._inputs[:, :-1] = self._inputs[:, 1:]
        self._inputs[:, -1] = tokens
        return self._inference.logits(self._inputs)


class Moments:
    """Mean and variance of rows that arrive in parts, by Chan, Golub, LeVeque 1983.

    Works on tensors and on arrays, in float64.
    """

    def __init__(self) -> None:
        self._count, self._mean, self._square = 0, 0.0, 0.0  # type: int, Any, Any

    def add(self, count: int, mean: Any, square: Any) -> None:
        """Add `count` rows with their mean and their sum of squared differences from it."""
        total = self._count + count
        shift = mean - self._mean
        self._mean = self._mean + shift * (count / total)
        self._square = self._square + square + shift**2 * (self._count * count / total)
        self._count = total

    def statistics(self) -> tuple[Any, Any]:
        """Return the mean, and the variance with Bessel's correction."""
        return self._mean, self._square / (self._count - 1)


def calibrated_names(running: Iterable[str]) -> tuple[str, ...]:
    """Return the names of a split's statistics from those of the running ones."""
    return tuple(name.replace("_running", "_calibrated") for name in running)
