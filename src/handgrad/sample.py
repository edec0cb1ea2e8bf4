"""Words from a trained model, one character after another.

p(next) = softmax(logits / temperature) over the top_k likeliest symbols; the boundary ends a word.
Sample i depends on (seed, i) alone: its uniform numbers come from a generator keyed by the two, and
it is computed as row i % GROUP of a group of constant size, whatever the other rows are.

G rows of a group, V symbols, L characters after the prefix, the longest of the group.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from handgrad.errors import SettingsError
from handgrad.models import CONTEXTS
from handgrad.training.settings import MAX_SEED

if TYPE_CHECKING:
    from handgrad.data import Vocabulary
    from handgrad.engine.inference import Inference
    from handgrad.models import Model
    from handgrad.training.state import Numbers

GROUP = 64
"""Rows computed together: constant, because rounding may depend on a product's number of rows."""
MAX_LENGTH = 500
"""Default maximum number of characters per word."""
_DRAWS = 32
"""Uniform numbers drawn at a time: more than most names need."""

Tokens = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SampledWord:
    """One word; `ended` is False if it was cut at the length limit."""

    text: str
    ended: bool = True


@dataclass(frozen=True)
class Sampling:
    """How to sample. Raises SettingsError for invalid values."""

    seed: int = 42
    temperature: float = 1.0
    """0 always takes the most likely symbol; 1 follows the model; higher is more uniform."""
    top_k: int | None = None
    prefix: str = ""
    max_length: int = MAX_LENGTH

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= MAX_SEED:
            raise SettingsError(f"seed is {self.seed}; it must be from 0 to {MAX_SEED}")
        if not 0 <= self.temperature < float("inf"):
            raise SettingsError(
                f"temperature is {self.temperature:g}; it must be a finite number, zero or more"
            )
        if self.top_k is not None and self.top_k < 1:
            raise SettingsError(f"top_k is {self.top_k}; it must be at least 1")
        if self.max_length < 1:
            raise SettingsError(f"max_length is {self.max_length}; it must be at least 1")


def sample(
    model: "Model",
    params: "Numbers",
    state: "Numbers",
    vocabulary: "Vocabulary",
    n: int,
    how: Sampling | None = None,
) -> list[SampledWord]:
    """Return `n` words that begin with `how.prefix`. Raises what `stream` raises."""
    return list(stream(model, params, state, vocabulary, n, how))


def stream(
    model: "Model",
    params: "Numbers",
    state: "Numbers",
    vocabulary: "Vocabulary",
    n: int,
    how: Sampling | None = None,
) -> Iterator[SampledWord]:
    """Yield `n` words that begin with `how.prefix`, a group as soon as it is computed.

    Raises SettingsError for a negative `n` or a prefix that a model on words cannot read whole,
    DataError if the model does not know a symbol of the prefix.
    """
    from handgrad.engine.evaluation import inference_of

    if n < 0:
        raise SettingsError(f"n is {n}; it must be zero or more")
    how = how or Sampling()
    prefix = vocabulary.encode(how.prefix).astype(np.int64)
    inference = inference_of(model, params, state, GROUP)
    how = _fitting(model, prefix, how)
    for first in range(0, n, GROUP):
        tokens, lengths = _group(inference, prefix, first, how)
        for row, length in zip(tokens[: n - first], lengths, strict=False):
            ended = length < how.max_length
            text = how.prefix + vocabulary.decode(row[:length])
            yield SampledWord(text, bool(ended))


def _fitting(model: "Model", prefix: Tokens, how: Sampling) -> Sampling:
    """Return `how` with words no longer than a model on words reads. Raises SettingsError."""
    if model.batches == CONTEXTS:
        return how
    longest = model.block_size - len(prefix)
    if longest < 1:
        raise SettingsError(
            f"the prefix has {len(prefix)} characters; the model reads words of at most "
            f"{model.block_size - 1}"
        )
    return replace(how, max_length=min(how.max_length, longest))


def _group(
    inference: "Inference",
    prefix: Tokens,
    first: int,
    how: Sampling,
) -> tuple[Tokens, Tokens]:
    """Return tokens (G, L) after the prefix, lengths (G,) of samples first to first + G - 1."""
    of_group = inference.words(GROUP)
    for token in (0, *prefix):
        scores = of_group.advance(np.full(GROUP, token, np.int64))  # (G, V)
    uniform = _Uniform(how.seed, first)
    lengths = np.full(GROUP, how.max_length)
    columns: list[Tokens] = []
    while len(columns) < how.max_length and (lengths == how.max_length).any():
        if columns:
            scores = of_group.advance(columns[-1])
        chosen = choose(scores.astype(np.float64), uniform.next(), how)  # (G,)
        lengths = np.where((chosen == 0) & (lengths > len(columns)), len(columns), lengths)
        columns.append(chosen)
    return np.stack(columns, axis=1), lengths


def choose(scores: Floats, uniform: Floats, how: Sampling) -> Tokens:
    """Return one symbol per row, (G,), from logits (G, V) and uniform numbers in [0, 1), (G,)."""
    if how.temperature == 0:
        return np.asarray(scores.argmax(1))
    vocab_size = scores.shape[1]
    # the maximum is subtracted first: a small temperature would otherwise overflow
    likelihoods = np.exp((scores - scores.max(1, keepdims=True)) / how.temperature)  # (G, V)
    if how.top_k is not None and how.top_k < vocab_size:
        # stable: of equal scores the lower symbols are kept, and exactly top_k remain
        order = np.argsort(-scores, axis=1, kind="stable")
        np.put_along_axis(likelihoods, order[:, how.top_k :], 0.0, axis=1)
    reached = likelihoods.cumsum(1)  # (G, V)
    # uniform is at most 1 - 2**-53, so its product with the total rounds to less than the total: a
    # symbol of probability 0 is never chosen
    return np.asarray((reached <= uniform[:, None] * reached[:, -1:]).sum(1))


class _Uniform:
    """Columns of uniform numbers; row r is the stream of sample first + r."""

    def __init__(self, seed: int, first: int) -> None:
        # the top word of the counter separates these streams from batches and initialisation
        self._generators = [
            np.random.Generator(np.random.Philox(key=[seed, index], counter=[0, 0, 0, 2]))
            for index in range(first, first + GROUP)
        ]
        self._drawn = np.empty((GROUP, 0))
        self._next = 0

    def next(self) -> Floats:
        """Return the next column, (G,)."""
        if self._next == self._drawn.shape[1]:
            self._drawn = np.stack([generator.random(_DRAWS) for generator in self._generators])
            self._next = 0
        self._next += 1
        return self._drawn[:, self._next - 1]
