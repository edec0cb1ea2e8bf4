"""The fused engine: every layer in closed form, forward, then backward over the model's calls."""

from typing import Any

import torch
from torch import Tensor

from handgrad.engine.core import Batch, Grads, Params, State, update_state
from handgrad.layers import LAYERS
from handgrad.models import Model


class Fused:
    """Hand-written gradients in closed form, for a model's list of layer calls."""

    name = "fused"

    def __init__(self, model: Model) -> None:
        self._model = model
        self._calls = [(call, LAYERS[call.layer]) for call in model.calls()]

    @torch.no_grad()
    def loss_and_grads(
        self, params: Params, state: State, batch: Batch
    ) -> tuple[Tensor, Grads, State]:
        """Return the loss in nats per character, one gradient per parameter, the new state."""
        values: dict[str, Tensor] = {**params, "inputs": batch.inputs, "targets": batch.targets}
        state = dict(state)
        caches: list[Any] = []
        for call, layer in self._calls:
            out, cache = layer.forward(*[values[name] for name in call.inputs])
            values[call.output] = out
            caches.append(cache)
            if call.state:
                update_state(self._model, call, state, cache)
        loss = values["loss"]
        grads: Grads = {"loss": torch.ones_like(loss)}
        for (call, layer), cache in zip(reversed(self._calls), reversed(caches), strict=True):
            gradients = layer.backward(grads.pop(call.output), cache)
            for name, gradient in zip(call.inputs, gradients, strict=False):
                if gradient is not None:
                    grads[name] = grads[name] + gradient if name in grads else gradient
        return loss, {name: grads[name] for name in params}, state
