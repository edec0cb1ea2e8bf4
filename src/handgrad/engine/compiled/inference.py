"""A model in evaluation mode on compiled kernels. Specification: engine/torch_inference.py."""

import math
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

import numpy as np

from handgrad.constants import BATCHNORM_EPS
from handgrad.engine.compiled.build import build
from handgrad.engine.compiled.inference_source import (
    CALL,
    ROWS,
    fold_names,
    inference_memory,
    inference_names,
    inference_source,
)
from handgrad.engine.compiled.memory import Array, Arrays, side_by_side
from handgrad.engine.compiled.names import bind, joins
from handgrad.engine.compiled.team import ALONE, Team
from handgrad.engine.compiled.threads import at_most
from handgrad.engine.inference import Moments, calibrated_names
from handgrad.models import Model

_T = TypeVar("_T")
PIECE = 2**19
"""Size of the widest activation in a thread's piece of work: it takes milliseconds."""


class CompiledInference:
    """`model` with `params` and the statistics in `state`, calibrated ones if it has them.

    Statistics are folded into a scale and a shift here: gain and bias must not change afterwards.
    """

    def __init__(
        self, model: Model, params: Arrays, state: Arrays, rows: int | None = None
    ) -> None:
        """`rows` rows are computed together, by default ROWS; threads share the pieces of a batch.

        Raises SettingsError as `bind` does.
        """
        rows = rows or ROWS
        self._bound = bind(model, rows)
        self._norms = [one for one in self._bound if one.call.state]
        self._model, self._params, self._state = model, params, dict(state)
        self._dtype = next(iter(params.values())).dtype
        self._inference = build(inference_source(model), self._dtype.name)
        self._rows, self._team = rows, Team(at_most())
        self._statistics = self._folded()
        self._free: deque[list[Array]] = deque()

    def loss_sum(self, inputs: Array, targets: Array) -> float:
        """Return the sum of the losses of inputs (N, T), targets (N,), in nats."""
        pieces = self._pieces(len(inputs))
        return math.fsum(self._map(lambda one: self._call(inputs[one], targets[one]), pieces))

    def logits(self, inputs: Array) -> Array:
        """Return the logits (N, V) of inputs (N, T)."""
        scores = np.empty((len(inputs), self._model.vocab_size), self._dtype)
        self._call(inputs, np.zeros(len(inputs), np.int64), scores=scores)
        return scores

    def calibrate(self, batches: Callable[[], Iterable[Array]]) -> dict[str, Array]:
        """Return the state with the statistics of all `batches()`, and use them from now on.

        See `calibrate` in engine/torch_inference.py.
        """
        for nth, one in enumerate(self._norms):
            width = (1, one.shapes[one.names["scale"]][1])
            moments = Moments()
            for inputs in batches():
                of_piece = partial(self._moments, nth, width, inputs)
                for part in self._map(of_piece, self._pieces(len(inputs))):
                    moments.add(*part)
            names = calibrated_names(one.call.state)
            for name, value in zip(names, moments.statistics(), strict=True):
                self._state[name] = value.astype(self._dtype)
            self._statistics = self._folded()
            self._free.clear()  # their arguments hold the old statistics
        return self._state

    def _moments(
        self, nth: int, width: tuple[int, int], batch: Array, piece: slice
    ) -> tuple[int, Array, Array]:
        """Return the piece's number of rows, and the moments of the nth batchnorm's input."""
        inputs, mean, square = batch[piece], np.zeros(width), np.zeros(width)
        self._call(inputs, np.zeros(len(inputs), np.int64), nth, mean, square)
        return len(inputs), mean, square

    def _pieces(self, count: int) -> list[slice]:
        """Return the pieces of a batch; pieces and sums do not depend on the number of threads."""
        widest = max(max(shape) for shape in self._model.shapes().values())
        size = max(self._rows, PIECE // widest)
        return [slice(first, first + size) for first in range(0, count, size)]

    def _map(self, function: Callable[[slice], _T], pieces: list[slice]) -> Iterable[_T]:
        """Return the function's results in the order of the pieces."""
        pool = self._team.pool() if len(pieces) > 1 else None
        return pool.map(function, pieces) if pool else map(function, pieces)

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
        try:
            arguments = self._free.pop()
        except IndexError:  # all are in use: there is one list for each thread at work
            arguments = self._arguments()
        fixed = (*ALONE, inputs, targets, until, mean, square, scores)
        loss = float(self._inference(*fixed, *arguments))
        self._free.append(arguments)
        return loss

    def _arguments(self) -> list[Array]:
        """Return one thread's arguments: memory, parameters, the current folded statistics."""
        arrays = {**self._allocated(), **self._statistics, **self._params}
        return [arrays[name] for name in inference_names(self._model)[len(CALL) :]]

    def _folded(self) -> dict[str, Array]:
        """Return each batchnorm's scale and shift (1, H)."""
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
        memory["inputs_part"] = np.zeros((self._rows, self._model.block_size), np.int64)
        memory["targets_part"] = np.zeros(self._rows, np.int64)
        return memory
