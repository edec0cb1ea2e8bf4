"""The compiled engine behind the spine: tensors in and out, copied to the step's own memory."""

from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from handgrad.engine.compiled.memory import zeros_of
from handgrad.engine.compiled.step import Step
from handgrad.models import Model
from handgrad.train.optimizer import OPTIMIZERS

if TYPE_CHECKING:
    from torch import Tensor

    from handgrad.engine.core import Batch, Grads, Params, State


class Compiled:
    """Hand-written gradients in closed form, as one compiled function, on the processor."""

    name = "compiled"

    def __init__(self, model: Model, optimizer: str = "sgd") -> None:
        """Steps with another optimizer are other machine code."""
        self._model, self._optimizer = model, optimizer
        self._steps: dict[tuple[int, Any], tuple[Step, dict[str, npt.NDArray[Any]]]] = {}

    def loss_and_grads(
        self, params: "Params", state: "State", batch: "Batch"
    ) -> "tuple[Tensor, Grads, State]":
        """The loss, nats per character, a gradient a parameter, the new state."""
        import torch

        first = next(iter(params.values()))
        step, arrays = self._step(len(batch.targets), first.detach().cpu().numpy().dtype)
        for name, array in arrays.items():
            array[...] = (params | state)[name].detach().cpu().numpy()
        loss = step.loss_and_grads(batch.inputs.cpu().numpy(), batch.targets.cpu().numpy())
        grads = {name: torch.from_numpy(step.grads[name].copy()) for name in params}
        moved = {name: torch.from_numpy(value) for name, value in step.moved_state().items()}
        return torch.tensor(loss, dtype=first.dtype), grads, {**state, **moved}

    def _step(self, rows: int, dtype: Any) -> tuple[Step, dict[str, npt.NDArray[Any]]]:
        if (rows, dtype) not in self._steps:
            params, state = zeros_of(self._model, dtype)
            moments = OPTIMIZERS[self._optimizer].tensors(params)
            step = Step(self._model, rows, params, state, moments, self._optimizer)
            self._steps = {(rows, dtype): (step, {**params, **state})}  # one, not all there were
        return self._steps[rows, dtype]
