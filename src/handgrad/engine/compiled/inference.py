"""A model in evaluation mode on compiled kernels. Specification: engine/inference.py."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.constants import BATCHNORM_EPS
from handgrad.engine.compiled.build import build
from handgrad.engine.compiled.inference_source import (
    FIXED,
    ROWS,
    fold_names,
    inference_memory,
    inference_names,
    inference_source,
)
from handgrad.engine.compiled.memory import side_by_side
from handgrad.engine.compiled.names import bind, joins
from handgrad.engine.evaluation import Moments, calibrated_names
from handgrad.models import Model

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]


class CompiledInference:
    """`model` with `params` and the statistics in `state`, calibrated where it has them.

    Statistics are folded into a scale and a shift here: gain and bias must not change after."""

    def __init__(
        self, model: Model, params: Arrays, state: Arrays, rows: int | None = None
    ) -> None:
        """`rows` are computed together, by default ROWS. Raises SettingsError as `bind` does."""
        rows = rows or ROWS
        self._bound = bind(model, rows)
        self._norms = [one for one in self._bound if one.call.state]
        self._model, self._params, self._state = model, params, dict(state)
        self._dtype = next(iter(params.values())).dtype
        self._inference = build(inference_source(model), self._dtype.name)
        inputs = np.zeros((rows, model.block_size), np.int64)
        self._parts = (inputs, np.zeros(rows, np.int64))
        self._memory = self._allocated()
        self._held = self._arguments()

    def loss_sum(self, inputs: Array, targets: Array) -> float:
        """The sum of the losses of inputs (N, T), targets (N,), in nats."""
        return self._call(inputs, targets)

    def logits(self, inputs: Array) -> Array:
        """(N, V) from inputs (N, T)."""
        scores = np.empty((len(inputs), self._model.vocab_size), self._dtype)
        self._call(inputs, np.zeros(len(inputs), np.int64), scores=scores)
        return scores

    def calibrate(self, batches: Callable[[], Iterable[Array]]) -> dict[str, Array]:
        """The state with the statistics of all of `batches()` added, as engine/inference.py has
        them; they serve from now on."""
        for nth, one in enumerate(self._norms):
            width = (1, one.shapes[one.names["scale"]][1])
            moments = Moments()
            for inputs in batches():
                mean, square = np.zeros(width), np.zeros(width)
                targets = np.zeros(len(inputs), np.int64)
                self._call(inputs, targets, nth, mean, square)
                moments.add(len(inputs), mean, square)
            names = calibrated_names(one.call.state)
            for name, value in zip(names, moments.statistics(), strict=True):
                self._state[name] = value.astype(self._dtype)
            self._held = self._arguments()
        return self._state

    def _call(
        self,
        inputs: Array,
        targets: Array,
        until: int = -1,
        mean: Array | None = None,
        square: Array | None = None,
        scores: Array | None = None,
    ) -> float:
        nothing = np.zeros((1, 0))
        if scores is None:
            scores = np.empty((0, self._model.vocab_size), self._dtype)
        mean, square = (nothing if x is None else x for x in (mean, square))
        fixed = (inputs, targets, until, mean, square, scores, *self._parts)
        return float(self._inference(*fixed, *self._held))

    def _arguments(self) -> list[Array]:
        """What every call is given: parameters, the folded statistics of now, memory."""
        held = {**self._memory, **self._folded(), **self._params}
        return [held[name] for name in inference_names(self._model)[len(FIXED) :]]

    def _folded(self) -> dict[str, Array]:
        """Each batchnorm's scale and shift (1, H)."""
        folded = {}
        for one in self._norms:
            gain, bias = (self._params[name] for name in one.call.inputs[1:])
            names = zip(calibrated_names(one.call.state), one.call.state, strict=True)
            mean, var = (
                self._state.get(name, self._state[running]).astype(np.float64)
                for name, running in names
            )
            scale = gain / np.sqrt(var + BATCHNORM_EPS)
            values = (scale, bias - mean * scale)
            for name, value in zip(fold_names(one), values, strict=True):
                folded[name] = value.astype(self._dtype)
        return folded

    def _allocated(self) -> dict[str, Array]:
        memory = side_by_side(dict(inference_memory(self._bound)), self._dtype)
        for source, view, shape in joins(self._bound):
            memory[view] = memory[source].reshape(shape)
        return memory
