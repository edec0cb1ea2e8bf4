"""A model in evaluation mode, by torch or by compiled kernels, with tokens in NumPy's arrays.

N examples, T block_size, V symbols.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from handgrad.models import Model

Tokens = npt.NDArray[np.int64]


class Inference(Protocol):
    """Parameters and statistics at work: calibrated ones where there are, else running ones."""

    def loss_sum(self, inputs: Tokens, targets: Tokens) -> float:
        """The sum of the losses of inputs (N, T), targets (N,), nats, in float64."""
        ...

    def logits(self, inputs: Tokens) -> npt.NDArray[Any]:
        """(N, V) from inputs (N, T)."""
        ...

    def calibrate(self, batches: Callable[[], Iterable[Tokens]]) -> dict[str, Any]:
        """The state with the statistics of all of `batches()` added."""
        ...


class Moments:
    """Mean and sum of squared differences from it, of rows that come in parts.

    Of tensors or of arrays, in float64. Chan, Golub, LeVeque 1983.
    """

    def __init__(self) -> None:
        self._count, self._mean, self._square = 0, 0.0, 0.0  # type: int, Any, Any

    def add(self, count: int, mean: Any, square: Any) -> None:
        """Take in `count` rows with their own mean and sum of squared differences."""
        total = self._count + count
        shift = mean - self._mean
        self._mean = self._mean + shift * (count / total)
        self._square = self._square + square + shift**2 * (self._count * count / total)
        self._count = total

    def statistics(self) -> tuple[Any, Any]:
        """The mean, and the variance with Bessel's correction."""
        return self._mean, self._square / (self._count - 1)


def calibrated_names(running: Iterable[str]) -> tuple[str, ...]:
    """What the statistics of a whole split are called, by the names of the running ones."""
    return tuple(name.replace("_running", "_calibrated") for name in running)


def inference_of(
    model: Model, params: dict[str, Any], state: dict[str, Any], rows: int | None = None
) -> Inference:
    """By compiled kernels where `params` are arrays, by torch where they are tensors.

    Kernels compute `rows` together, or as many as suits long inputs.
    """
    if isinstance(next(iter(params.values())), np.ndarray):
        from handgrad.engine.compiled.inference import CompiledInference

        return CompiledInference(model, params, state, rows)
    from handgrad.engine.inference import TorchInference

    return TorchInference(model, params, state)
