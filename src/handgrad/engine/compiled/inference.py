"""A model in evaluation mode on compiled kernels. Specification: engine/torch_inference.py."""

import math
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import numpy as np

from handgrad.engine.compiled.build import build
from handgrad.engine.compiled.inference_source import (
    CHARACTERS,
    ROWS,
    call_names,
    inference_memory,
    inference_names,
    inference_source,
)
from handgrad.engine.compiled.memory import Array, Arrays, side_by_side
from handgrad.engine.compiled.names import Bound, batch_shapes, bind, views
from handgrad.engine.compiled.team import ALONE, Team
from handgrad.engine.compiled.threads import at_most
from handgrad.engine.compiled.word_source import FIXED, word_memory, word_names, word_source
from handgrad.engine.inference import Moments, Windows, Words, calibrated_names
from handgrad.models import CONTEXTS, Model

_T = TypeVar("_T")
PIECE = 2**19
"""Size of the widest activation in a thread's piece of work: it takes milliseconds."""


class CompiledInference:
    """`model` with `params` and the statistics in `state`, calibrated ones if it has them.

    What layers combine of parameters and statistics is combined here: they must not change
    afterwards.
    """

    def __init__(
        self, model: Model, params: Arrays, state: Arrays, rows: int | None = None
    ) -> None:
        """`rows` contexts are computed together, by default ROWS; of words, CHARACTERS characters.

        Threads share the pieces. Raises SettingsError as `bind` does.
        """
        self._on_contexts = model.batches == CONTEXTS
        self._rows = (rows or ROWS) if self._on_contexts else max(CHARACTERS, model.block_size)
        self._bound = bind(model, self._rows, None if self._on_contexts else self._rows)
        self._norms = [one for one in self._bound if one.call.state]
        self._model, self._params, self._state = model, params, dict(state)
        self._dtype = next(iter(params.values())).dtype
        self._inference = build(inference_source(model), self._dtype.name)
        self._team = Team(at_most())
        self._statistics = self._folded()
        self._free: deque[list[Array]] = deque()

    def loss_sum(self, inputs: Array, targets: Array, offsets: Array | None = None) -> float:
        """Return the sum of the losses of the targets (N,), in nats."""
        if offsets is not None:
            of_words = partial(self._of_words, inputs, targets, offsets)
            return math.fsum(self._map(of_words, self._word_pieces(offsets)))
        pieces = self._pieces(len(inputs))
        return math.fsum(self._map(lambda one: self._call(inputs[one], targets[one]), pieces))

    def logits(self, inputs: Array, offsets: Array | None = None) -> Array:
        """Return the logits (N, V), one row for each target."""
        scores = np.empty((len(inputs), self._model.vocab_size), self._dtype)
        targets = np.zeros(len(inputs), np.int64)
        if offsets is None:
            self._call(inputs, targets, scores=scores)
            return scores
        for piece in self._word_pieces(offsets):
            self._of_words(inputs, targets, offsets, piece, scores)
        return scores

    def words(self, count: int) -> Words:
        """Begin `count` words."""
        if self._on_contexts:
            return Windows(self, count, self._model)
        return CompiledWords(self._model, self._params, count)

    def _of_words(
        self,
        inputs: Array,
        targets: Array,
        offsets: Array,
        words: slice,
        scores: Array | None = None,
    ) -> float:
        """Return the sum of the losses of some words; `scores` receives their logits."""
        begin, end = offsets[words.start], offsets[words.stop]
        own = slice(begin, end)
        if scores is None:
            scores = np.empty((0, self._model.vocab_size), self._dtype)
        of_words = offsets[words.start : words.stop + 1] - begin
        return self._with_memory(inputs[own], targets[own], of_words, scores[own])

    def _word_pieces(self, offsets: Array) -> list[slice]:
        """Return slices of words of at most `_rows` characters."""
        pieces, first = [], 0
        while first < len(offsets) - 1:
            end = int(np.searchsorted(offsets, offsets[first] + self._rows, side="right")) - 1
            pieces.append(slice(first, end))
            first = end
        return pieces

    def calibrate(self, batches: Callable[[], Iterable[Array]]) -> dict[str, Array]:
        """Return the state with the statistics of all `batches()`, and use them from now on.

        See `calibrate` in engine/torch_inference.py.
        """
        for nth, one in enumerate(self._norms):
            moments = Moments()
            for inputs in batches():
                of_piece = partial(self._moments, nth, one, inputs)
                for part in self._map(of_piece, self._pieces(len(inputs))):
                    moments.add(*part)
            names = calibrated_names(one.call.state)
            for name, value in zip(names, moments.statistics(), strict=True):
                self._state[name] = value.astype(self._dtype)
            self._statistics = self._folded()
            self._free.clear()  # their arguments hold the old statistics
        return self._state

    def _moments(
        self, nth: int, norm: Bound, batch: Array, piece: slice
    ) -> tuple[int, Array, Array]:
        """Return the moments of the nth layer with statistics, and of how many rows they are."""
        rows, width = norm.shapes[norm.call.outputs[0]]
        inputs, mean, square = batch[piece], np.zeros((1, width)), np.zeros((1, width))
        self._call(inputs, np.zeros(len(inputs), np.int64), nth, mean, square)
        return len(inputs) * (rows // self._rows), mean, square

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
        return self._with_memory(inputs, targets, until, mean, square, scores)

    def _with_memory(self, *given: Any) -> float:
        """Call the compiled function with the arguments of `call_names` after the team."""
        try:
            arguments = self._free.pop()
        except IndexError:  # all are in use: there is one list for each thread at work
            arguments = self._arguments()
        loss = float(self._inference(*ALONE, *given, *arguments))
        self._free.append(arguments)
        return loss

    def _arguments(self) -> list[Array]:
        """Return one thread's arguments: memory, parameters, the current statistics."""
        arrays = {**self._allocated(), **self._statistics, **self._params}
        return [
            arrays[name] for name in inference_names(self._model)[len(call_names(self._model)) :]
        ]

    def _folded(self) -> dict[str, Array]:
        """Return what layers combine of their parameters and statistics."""
        folded = {}
        for one in self._norms:
            calibrated = zip(calibrated_names(one.call.state), one.call.state, strict=True)
            state = [self._state.get(name, self._state[running]) for name, running in calibrated]
            params = [self._params[name] for name in one.call.inputs if name in self._params]
            for local, value in one.kernel.folded(*params, *state).items():
                folded[one.names[local]] = value.astype(self._dtype)
        return folded

    def _allocated(self) -> dict[str, Array]:
        memory = with_views(dict(inference_memory(self._bound)), self._bound, self._dtype)
        if self._on_contexts:
            for name, shape in batch_shapes(self._model, self._rows).items():
                memory[f"{name}_part"] = np.zeros(shape, np.int64)
        return memory


class CompiledWords:
    """Words in the making; each layer carries what it needs of the earlier characters."""

    def __init__(self, model: Model, params: Arrays, count: int) -> None:
        bound = bind(model, count, count)
        first = next(iter(params.values()))
        self._advance = build(word_source(model), first.dtype.name)
        memory = with_views(word_memory(bound), bound[:-1], first.dtype)
        self._scores = memory[bound[-1].call.inputs[0]]
        arrays = {**memory, **params}
        self._arguments = [arrays[name] for name in word_names(model)[len(FIXED) :]]
        self._t = 0

    def advance(self, tokens: Array) -> Array:
        """Append a character to each word, (G,); return the logits (G, V) of the next ones."""
        self._advance(*ALONE, self._t, tokens, *self._arguments)
        self._t += 1
        return self._scores


def with_views(
    shapes: dict[str, tuple[int, ...]], bound: tuple[Bound, ...], dtype: Any
) -> dict[str, Array]:
    """Return memory of these shapes; a view shares its input's."""
    memory = side_by_side(shapes, dtype)
    for source, view, shape in views(bound):
        memory[view] = memory[source].reshape(shape)
    return memory
