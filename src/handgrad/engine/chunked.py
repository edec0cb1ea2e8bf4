"""The chunked engine: every layer, one elementary step per line; keeps every step's gradient."""

import torch
from torch import Tensor

from handgrad.engine.core import Batch, Grads, Params, State, update_state
from handgrad.layers import LAYERS, Cache
from handgrad.models import LayerCall, Model


class Chunked:
    """Hand-written gradients step by step, for a model's list of layer calls."""

    name = "chunked"

    def __init__(self, model: Model) -> None:
        self._model = model
        self._calls = model.calls()

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
        nodes, caches = forward_chunked(self._model, params, batch)
        state = dict(state)
        grads: Grads = {"loss": torch.ones_like(nodes["loss"])}
        for call, cache in zip(reversed(self._calls), reversed(caches), strict=True):
            layer = LAYERS[call.layer]
            gradients = layer.backward_chunked(grads[call.output], cache)
            names = _model_names(call)
            for local, gradient in gradients.items():
                name = names[local]
                grads[name] = grads[name] + gradient if name in grads else gradient
            if call.state:
                update_state(self._model, call, state, cache)
        del grads["loss"]
        return nodes["loss"], grads, state


def forward_chunked(
    model: Model, params: Params, batch: Batch
) -> tuple[dict[str, Tensor], list[Cache]]:
    """Return every named node, parameters and batch included, and the cache of each call."""
    values: dict[str, Tensor] = {**params, "inputs": batch.inputs, "targets": batch.targets}
    caches: list[Cache] = []
    for call in model.calls():
        out, cache = LAYERS[call.layer].forward_chunked(*[values[name] for name in call.inputs])
        names = _model_names(call)
        values |= {names[local]: step for local, step in cache.items() if local in names}
        values[call.output] = out
        caches.append(cache)
    return values, caches


def _model_names(call: LayerCall) -> dict[str, str]:
    """Return the layer's names of its inputs and nodes -> the model's names."""
    layer = LAYERS[call.layer]
    inputs = zip(layer.INPUTS, call.inputs, strict=False)  # without a bias, call.inputs is shorter
    return dict(inputs) | dict(zip(layer.NODES, call.nodes, strict=True))
