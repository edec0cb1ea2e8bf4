"""The reference engine: the chunked forward, differentiated by autograd."""

import torch
from torch import Tensor

from handgrad.engine.bound import bound_calls
from handgrad.engine.chunked import forward_chunked
from handgrad.engine.core import Batch, Grads, Params, State
from handgrad.models import Model


class Autograd:
    """The reference for the hand-written engines."""

    name = "autograd"

    def __init__(self, model: Model) -> None:
        self._calls = bound_calls(model)

    def loss_and_grads(
        self, params: Params, state: State, batch: Batch
    ) -> tuple[Tensor, Grads, State]:
        """Return the loss in nats per character, one gradient per parameter, the new state."""
        loss, grads, state = self._differentiate(params, state, batch, tuple(params))
        return loss, grads, state

    def loss_and_all_grads(
        self, params: Params, state: State, batch: Batch
    ) -> tuple[Tensor, Grads, State]:
        """As `loss_and_grads`, plus the gradient of every named node."""
        steps = [node for one in self._calls for node in one.call.nodes if node != "loss"]
        return self._differentiate(params, state, batch, (*params, *steps))

    @torch.enable_grad()
    def _differentiate(
        self, params: Params, state: State, batch: Batch, wanted: tuple[str, ...]
    ) -> tuple[Tensor, Grads, State]:
        leaves = {name: p.detach().requires_grad_() for name, p in params.items()}
        nodes, caches = forward_chunked(self._calls, leaves, batch)
        grads = torch.autograd.grad(
            nodes["loss"], [nodes[name] for name in wanted], materialize_grads=True
        )
        state = dict(state)
        for one, cache in zip(self._calls, caches, strict=True):
            one.update(state, cache)
        return nodes["loss"].detach(), dict(zip(wanted, grads, strict=True)), state
