"""A model in evaluation mode: no row depends on its neighbours."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from handgrad.engine.core import Params, State
from handgrad.layers import LAYERS, batchnorm
from handgrad.models import Call, Model


@torch.no_grad()
def logits(model: Model, params: Params, state: State, inputs: Tensor) -> Tensor:
    """(B, V) from inputs (B, T), by calibrated statistics where `state` has them, else running."""
    return _forward(model.calls(), params, state, inputs, until="logits")


@torch.no_grad()
def calibrate(
    model: Model, params: Params, state: State, batches: Callable[[], Iterable[Tensor]]
) -> State:
    """`state` with the statistics of all of `batches()` added: bnmean_calibrated, bnvar_calibrated.

    `batches` is called once a batchnorm, first to last, since a later one's inputs depend on the
    statistics of those before it. Sums are in float64.
    """
    calibrated = dict(state)
    for call in model.calls():
        if not call.state:
            continue
        count, mean, square = 0, torch.zeros(()), torch.zeros(())
        for inputs in batches():
            x = _forward(model.calls(), params, calibrated, inputs, until=call.inputs[0]).double()
            var, centre = torch.var_mean(x, 0, keepdim=True, correction=0)
            total = count + len(x)
            shift = centre - mean  # pairwise update of Chan, Golub, LeVeque 1983
            mean = mean + shift * (len(x) / total)
            square = square + var * len(x) + shift**2 * (count * len(x) / total)
            count = total
        names = _calibrated(call)
        dtype = params[call.inputs[1]].dtype
        calibrated[names[0]] = mean.to(dtype)
        calibrated[names[1]] = (square / (count - 1)).to(dtype)
    return calibrated


def _forward(
    calls: tuple[Call, ...], params: Params, state: State, inputs: Tensor, until: str
) -> Tensor:
    values: dict[str, Tensor] = {**params, "inputs": inputs}
    for call in calls:
        arguments = [values[name] for name in call.inputs]
        if call.state:
            x, bngain, bnbias = arguments
            names = _calibrated(call) if _calibrated(call)[0] in state else call.state
            mean, var = (state[name] for name in names)
            values[call.output] = batchnorm.forward_evaluation(x, bngain, bnbias, mean, var)
        else:
            values[call.output] = LAYERS[call.layer].forward(*arguments)[0]
        if call.output == until:
            break
    return values[until]


def _calibrated(call: Call) -> tuple[str, ...]:
    return tuple(name.replace("_running", "_calibrated") for name in call.state)
