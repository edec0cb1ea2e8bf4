"""The compiled engine with the signature of every engine: it copies tensors to its arrays."""

from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from handgrad.engine.compiled.memory import zeros_of
from handgrad.engine.compiled.step import TrainingStep
from handgrad.engine.compiled.treatment import UNTREATED
from handgrad.models import Model
from handgrad.optim import OPTIMIZERS, Treatment

if TYPE_CHECKING:
    from torch import Tensor

    from handgrad.engine.core import Batch, Grads, Params, State


class Compiled:
    """Hand-written gradients in closed form, as one compiled function, on the CPU."""

    name = "compiled"

    def __init__(
        self, model: Model, optimizer: str = "sgd", treatment: Treatment = UNTREATED
    ) -> None:
        """The machine code depends on the optimizer and the treatment of gradients."""
        self._model, self._optimizer, self._treatment = model, optimizer, treatment
        self._steps: dict[tuple[int, Any], tuple[TrainingStep, dict[str, npt.NDArray[Any]]]] = {}

    def loss_and_grads(
        self, params: "Params", state: "State", batch: "Batch"
    ) -> "tuple[Tensor, Grads, State]":
        """Return the loss in nats per character, one gradient per parameter, the new state."""
        import torch

        first = next(iter(params.values()))
        step, arrays = self._step(batch.size, first.detach().cpu().numpy().dtype)
        for name, array in arrays.items():
            array[...] = (params | state)[name].detach().cpu().numpy()
        loss = step.loss_and_grads(*(x.cpu().numpy() for x in batch.named().values()))
        grads = {name: torch.from_numpy(step.grads[name].copy()) for name in params}
        moved = {name: torch.from_numpy(arrays[name].copy()) for name in self._model.state_shapes()}
        return torch.tensor(loss, dtype=first.dtype), grads, {**state, **moved}

    def _step(self, rows: int, dtype: Any) -> tuple[TrainingStep, dict[str, npt.NDArray[Any]]]:
        if (rows, dtype) not in self._steps:
            params, state = zeros_of(self._model, dtype)
            moments = OPTIMIZERS[self._optimizer].tensors(params)
            name, how = self._optimizer, self._treatment
            step = TrainingStep(self._model, rows, params, state, moments, name, treatment=how)
            self._steps = {(rows, dtype): (step, {**params, **state})}  # only the latest
        return self._steps[rows, dtype]
