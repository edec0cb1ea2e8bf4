"""The chunked engine: every layer, one elementary step per line; keeps every step's gradient."""

import torch
from torch import Tensor

from handgrad.engine.bound import BoundCall, add_gradient, bound_calls
from handgrad.engine.core import Batch, Grads, Params, State
from handgrad.layers import Cache
from handgrad.models import Model


class Chunked:
    """Hand-written gradients step by step, for a model's list of layer calls."""

    name = "chunked"

    def __init__(self, model: Model) -> None:
        self._calls = bound_calls(model)

    @torch.no_grad()
    def loss_and_grads(
        self, params: Params, state: State, batch: Batch
    ) -> tuple[Tensor, Grads, State]:
        """Return the loss in nats per character, one gradient per parameter, the new state."""
        loss, grads, state = self.loss_and_all_grads(params, state, batch)
        return loss, {name: grads[name] for name in params}, state

    @torch.no_grad()
    def loss_and_all_grads(
        self, params: Params, state: State, batch: Batch
    ) -> tuple[Tensor, Grads, State]:
        """As `loss_and_grads`, plus the gradient of every named node."""
        values, caches = forward_chunked(self._calls, params, batch)
        state = dict(state)
        grads: Grads = {"loss": torch.ones_like(values["loss"])}
        of_outputs: Grads = {}
        for one, cache in zip(reversed(self._calls), reversed(caches), strict=True):
            dout = one.upstream(grads, values)
            of_outputs |= zip(one.call.outputs, (dout,) if one.single else dout, strict=True)
            for local, gradient in one.backward_chunked(dout, cache).items():
                add_gradient(grads, one.names[local], gradient)
            one.update(state, cache)
        del of_outputs["loss"]
        return values["loss"], of_outputs | grads, state


def forward_chunked(
    calls: tuple[BoundCall, ...], params: Params, batch: Batch
) -> tuple[dict[str, Tensor], list[Cache]]:
    """Return every named node, parameters and batch included, and the cache of each call."""
    values: dict[str, Tensor] = {**params, **batch.named()}
    caches: list[Cache] = []
    for one in calls:
        out, cache = one.forward_chunked(*[values[name] for name in one.call.inputs])
        values |= {one.names[local]: step for local, step in cache.items() if local in one.names}
        one.put(values, out)
        caches.append(cache)
    return values, caches
