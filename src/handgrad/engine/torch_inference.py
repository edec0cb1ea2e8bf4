"""A model in evaluation mode by torch: no row depends on other rows of its batch."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from handgrad.engine.core import Params, State
from handgrad.engine.inference import Moments, Tokens, calibrated_names
from handgrad.layers import LAYERS, batchnorm
from handgrad.models import LayerCall, Model


class TorchInference:
    """The functions below, for tokens in NumPy arrays."""

    def __init__(self, model: Model, params: Params, state: State) -> None:
        self._model, self._params, self._state = model, params, state
        self._device = next(iter(params.values())).device

    def loss_sum(self, inputs: Tokens, targets: Tokens) -> float:
        """Return the sum of the losses, in nats, float64."""
        scores = self._scores(inputs).double()  # (N, V)
        losses = torch.nn.functional.cross_entropy(
            scores, self._to_device(targets), reduction="sum"
        )
        return float(losses)

    def logits(self, inputs: Tokens) -> npt.NDArray[Any]:
        """Return the logits (N, V) of inputs (N, T)."""
        scores: npt.NDArray[Any] = self._scores(inputs).cpu().numpy()
        return scores

    def calibrate(self, batches: Callable[[], Iterable[Tokens]]) -> State:
        """Return the state with the statistics of all of `batches()` added."""
        return calibrate(
            self._model, self._params, self._state, lambda: map(self._to_device, batches())
        )

    def _scores(self, inputs: Tokens) -> Tensor:
        return logits(self._model, self._params, self._state, self._to_device(inputs))

    def _to_device(self, tokens: Tokens) -> Tensor:
        return torch.from_numpy(tokens).to(self._device)


@torch.no_grad()
def logits(model: Model, params: Params, state: State, inputs: Tensor) -> Tensor:
    """Return (B, V) of inputs (B, T), by calibrated statistics if in `state`, else running."""
    return _forward(model.calls(), params, state, inputs, until="logits")


@torch.no_grad()
def calibrate(
    model: Model, params: Params, state: State, batches: Callable[[], Iterable[Tensor]]
) -> State:
    """Return `state` with the statistics of all `batches()`: bnmean_calibrated, bnvar_calibrated.

    `batches` is called once for each batchnorm, from first to last, because the inputs of a later
    one depend on the statistics of the earlier ones. Sums are in float64.
    """
    calibrated = dict(state)
    for call in model.calls():
        if not call.state:
            continue
        moments = Moments()
        for inputs in batches():
            x = _forward(model.calls(), params, calibrated, inputs, until=call.inputs[0]).double()
            var, mean = torch.var_mean(x, 0, keepdim=True, correction=0)
            moments.add(len(x), mean, var * len(x))
        dtype = params[call.inputs[1]].dtype
        for name, value in zip(calibrated_names(call.state), moments.statistics(), strict=True):
            calibrated[name] = value.to(dtype)
    return calibrated


def _forward(
    calls: tuple[LayerCall, ...], params: Params, state: State, inputs: Tensor, until: str
) -> Tensor:
    values: dict[str, Tensor] = {**params, "inputs": inputs}
    for call in calls:
        arguments = [values[name] for name in call.inputs]
        if call.state:
            x, bngain, bnbias = arguments
            names = calibrated_names(call.state)
            names = names if names[0] in state else call.state
            mean, var = (state[name] for name in names)
            values[call.output] = batchnorm.forward_evaluation(x, bngain, bnbias, mean, var)
        else:
            values[call.output] = LAYERS[call.layer].forward(*arguments)[0]
        if call.output == until:
            break
    return values[until]
