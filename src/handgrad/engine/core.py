"""What every engine shares: the batch, the tensors by name, and the signature of an engine."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Params = dict[str, Tensor]
Grads = dict[str, Tensor]
State = dict[str, Tensor]


class Batch(NamedTuple):
    """Contexts: inputs (B, T), targets (B,). Words: inputs and targets (N,), offsets (B + 1,).

    All int64. `key` (2,), the seed and the step, is what random layers draw from; None where a
    model has none.
    """

    inputs: Tensor
    targets: Tensor
    offsets: Tensor | None = None
    key: Tensor | None = None

    @property
    def size(self) -> int:
        """The number of contexts or words."""
        return len(self.targets) if self.offsets is None else len(self.offsets) - 1

    def named(self) -> dict[str, Tensor]:
        """Return the tensors by the names of `models.BATCH`."""
        return {name: x for name, x in self._asdict().items() if x is not None}


class Engine(Protocol):
    """One signature. `grads` has the keys of `params`; no argument changes; `state` is new."""

    @property
    def name(self) -> str: ...

    def loss_and_grads(
        self, params: Params, state: State, batch: Batch
    ) -> tuple[Tensor, Grads, State]: ...


def to_tensors(
    arrays: Mapping[str, npt.NDArray[np.float32]],
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> dict[str, Tensor]:
    """Return copies of NumPy arrays as tensors."""
    return {name: torch.tensor(array, dtype=dtype, device=device) for name, array in arrays.items()}
