"""The calls of a model, each with its layer's functions: attributes bound, outputs as a tuple."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from handgrad.engine.core import Grads, State
from handgrad.layers import LAYERS
from handgrad.models import LayerCall, Model, with_attributes

OPTIONAL = ("update_state", "moments", "evaluate", "step")


class BoundCall:
    """One call of a model. The layer's functions take the attributes that they name."""

    def __init__(self, call: LayerCall) -> None:
        self.call = call
        self.layer = LAYERS[call.layer]
        self.single = call.n_outputs == 1
        self.forward = self._bound("forward")
        self.backward = self._bound("backward")
        self.forward_chunked = self._bound("forward_chunked")
        self.backward_chunked = self._bound("backward_chunked")
        self.optional = {name: self._bound(name) for name in OPTIONAL if hasattr(self.layer, name)}
        """The functions of the contract that not every layer has, by name."""
        self.names = self._names()
        """The layer's names of inputs and nodes -> the model's."""

    def put(self, values: dict[str, Tensor], out: Any) -> None:
        """Add the outputs to `values` by the model's names."""
        if self.single:
            values[self.call.outputs[0]] = out
        else:
            values.update(zip(self.call.outputs, out, strict=True))

    def upstream(self, grads: Grads, values: dict[str, Tensor]) -> Any:
        """Return the gradient of the output, or of the outputs as a tuple; zeros if none read it.

        It is taken out of `grads`.
        """
        douts = tuple(
            grads.pop(name) if name in grads else torch.zeros_like(values[name])
            for name in self.call.outputs
        )
        return douts[0] if self.single else douts

    def update(self, state: State, cache: Any) -> None:
        """Move the call's numbers in `state` by its batch."""
        if self.call.state:
            before = tuple(state[name] for name in self.call.state)
            after = self.optional["update_state"](before, cache)
            state.update(zip(self.call.state, after, strict=True))

    def _bound(self, function: str) -> Callable[..., Any]:
        return with_attributes(getattr(self.layer, function), self.call.attributes)

    def _names(self) -> dict[str, str]:
        # without an optional last input, such as a bias, call.inputs is shorter
        inputs = zip(self.layer.INPUTS, self.call.inputs, strict=False)
        return dict(inputs) | dict(zip(self.layer.NODES, self.call.nodes, strict=True))


def bound_calls(model: Model) -> tuple[BoundCall, ...]:
    """Return the calls of `model` in order."""
    return tuple(BoundCall(call) for call in model.calls())


def add_gradient(grads: Grads, name: str, gradient: Tensor) -> None:
    """Add a call's contribution to the gradient of `name`."""
    grads[name] = grads[name] + gradient if name in grads else gradient
