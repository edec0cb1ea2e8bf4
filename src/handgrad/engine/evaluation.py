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
