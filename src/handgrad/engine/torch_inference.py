"""A model in evaluation mode by torch: no example depends on other examples of its batch."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from handgrad.engine.bound import BoundCall, bound_calls
from handgrad.engine.core import Batch, Params, State
from handgrad.engine.inference import Moments, Tokens, Windows, Words, calibrated_names
from handgrad.models import CONTEXTS, Model


class TorchInference:
    """The functions below, for tokens in NumPy arrays."""

    def __init__(self, model: Model, params: Params, state: State) -> None:
        self._model, self._params, self._state = model, params, state
        self._calls = bound_calls(model)
        self._device = next(iter(params.values())).device

    def loss_sum(self, inputs: Tokens, targets: Tokens, offsets: Tokens | None = None) -> float:
        """Return the sum of the losses of the targets (N,), in nats, float64."""
        scores = self._scores(inputs, offsets).double()  # (N, V)
        losses = torch.nn.functional.cross_entropy(
            scores, self._to_device(targets), reduction="sum"
        )
        return float(losses)

    def logits(self, inputs: Tokens, offsets: Tokens | None = None) -> npt.NDArray[Any]:
        """Return the logits (N, V), one row for each target."""
        scores: npt.NDArray[Any] = self._scores(inputs, offsets).cpu().numpy()
        return scores

    def calibrate(self, batches: Callable[[], Iterable[Tokens]]) -> State:
        """Return the state with the statistics of all of `batches()` added."""
        return calibrate(
            self._model, self._params, self._state, lambda: map(self._to_device, batches())
        )

    def words(self, count: int) -> Words:
        """Begin `count` words."""
        if self._model.batches == CONTEXTS:
            return Windows(self, count, self._model)
        return TorchWords(self._calls, self._params, self._state)

    def _scores(self, inputs: Tokens, offsets: Tokens | None) -> Tensor:
        there = None if offsets is None else self._to_device(offsets)
        return _logits(self._calls, self._params, self._state, self._to_device(inputs), there)

    def _to_device(self, tokens: Tokens) -> Tensor:
        return torch.from_numpy(tokens).to(self._device)


class TorchWords:
    """Words in the making; each layer carries what it needs of the earlier characters."""

    def __init__(self, calls: tuple[BoundCall, ...], params: Params, state: State) -> None:
        self._calls, self._params, self._state = calls, params, state
        self._carried: list[dict[str, Tensor]] = [{} for _ in calls]
        self._t = 0

    @torch.no_grad()
    def advance(self, tokens: Tokens) -> npt.NDArray[Any]:
        """Append a character to each word, (G,); return the logits (G, V) of the next ones."""
        device = next(iter(self._params.values())).device
        values = {**self._params, "inputs": torch.from_numpy(tokens).to(device)}
        for nth, one in enumerate(self._calls[:-1]):  # the last is the loss
            if step := one.optional.get("step"):
                arguments = [values.get(name) for name in one.call.inputs]
                out, self._carried[nth] = step(*arguments, t=self._t, carried=self._carried[nth])
            else:
                out = _evaluate(one, values, self._state)
            one.put(values, out)
        self._t += 1
        scores: npt.NDArray[Any] = values[self._calls[-1].call.inputs[0]].cpu().numpy()
        return scores


def logits(
    model: Model, params: Params, state: State, inputs: Tensor, offsets: Tensor | None = None
) -> Tensor:
    """Return the logits (N, V), by calibrated statistics if in `state`, else running ones."""
    return _logits(bound_calls(model), params, state, inputs, offsets)


@torch.no_grad()
def _logits(
    calls: tuple[BoundCall, ...],
    params: Params,
    state: State,
    inputs: Tensor,
    offsets: Tensor | None,
) -> Tensor:
    values = {**params, **Batch(inputs, inputs, offsets).named()}
    _run(calls[:-1], values, state)  # the last is the loss
    return values[calls[-1].call.inputs[0]]


@torch.no_grad()
def calibrate(
    model: Model, params: Params, state: State, batches: Callable[[], Iterable[Tensor]]
) -> State:
    """Return `state` with the statistics of all `batches()`, such as bnmean_calibrated.

    `batches` is called once for each layer with statistics, from first to last, because the inputs
    of a later one depend on the statistics of the earlier ones. Sums are in float64.
    """
    calibrated = dict(state)
    calls = bound_calls(model)
    for nth, one in enumerate(calls):
        if not one.call.state:
            continue
        moments = Moments()
        for inputs in batches():
            values = {**params, "inputs": inputs}
            _run(calls[:nth], values, calibrated)
            moments.add(*one.optional["moments"](*[values[name] for name in one.call.inputs]))
        names = zip(calibrated_names(one.call.state), one.call.state, strict=True)
        for (name, running), value in zip(names, moments.statistics(), strict=True):
            calibrated[name] = value.to(state[running].dtype)
    return calibrated


def _run(calls: tuple[BoundCall, ...], values: dict[str, Tensor], state: State) -> None:
    """Add the outputs of `calls` to `values`."""
    for one in calls:
        one.put(values, _evaluate(one, values, state))


def _evaluate(one: BoundCall, values: dict[str, Tensor], state: State) -> Any:
    """Return the call's output in evaluation mode."""
    arguments = [values.get(name) for name in one.call.inputs]  # no key outside training
    evaluate = one.optional.get("evaluate")
    if evaluate is None:
        return one.forward(*arguments)[0]
    names = calibrated_names(one.call.state)
    names = names if all(name in state for name in names) else one.call.state
    return evaluate(*arguments, *[state[name] for name in names])
