"""The fused engine: every layer in closed form, forward, then backward over the model's calls."""

from typing import Any

import torch
from torch import Tensor

from handgrad.engine.bound import add_gradient, bound_calls
from handgrad.engine.core import Batch, Grads, Params, State
from handgrad.models import Model


class Fused:
    """Hand-written gradients in closed form, for a model's list of layer calls."""

    name = "fused"

    def __init__(self, model: Model) -> None:
        self._calls = bound_calls(model)

    @torch.no_grad()
    def loss_and_grads(
        self, params: Params, state: State, batch: Batch
    ) -> tuple[Tensor, Grads, State]:
        """Return the loss in nats per character, one gradient per parameter, the new state."""
        values: dict[str, Tensor] = {**params, **batch.named()}
        state = dict(state)
        caches: list[Any] = []
        for one in self._calls:
            out, cache = one.forward(*[values[name] for name in one.call.inputs])
            one.put(values, out)
            caches.append(cache)
            one.update(state, cache)
        loss = values["loss"]
        grads: Grads = {"loss": torch.ones_like(loss)}
        for one, cache in zip(reversed(self._calls), reversed(caches), strict=True):
            gradients = one.backward(one.upstream(grads, values), cache)
            for name, gradient in zip(one.call.inputs, gradients, strict=False):
                if gradient is not None:
                    add_gradient(grads, name, gradient)
        return loss, {name: grads[name] for name in params}, state
