"""What every engine shares: the batch, the tensors by name, and the signature of an engine."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from handgrad.layers import batchnorm
from handgrad.models import LayerCall, Model

Params = dict[str, Tensor]
Grads = dict[str, Tensor]
State = dict[str, Tensor]


class Batch(NamedTuple):
    """inputs (B, T) and targets (B,), int64."""

    inputs: Tensor
    targets: Tensor


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


def update_state(model: Model, call: LayerCall, state: State, cache: object) -> None:
    """Move the running statistics that `call` names in `state` towards the batch's."""
    mean, var = batchnorm.batch_statistics(cache)  # type: ignore[arg-type]
    mean_name, var_name = call.state
    state[mean_name] = torch.lerp(state[mean_name], mean, model.momentum)
    state[var_name] = torch.lerp(state[var_name], var, model.momentum)
