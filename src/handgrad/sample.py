"""Words from a trained model, one character after another.

p(next) = softmax(logits / temperature) over the top_k likeliest symbols; the boundary ends a word.
Sample i is decided by (seed, i) alone: its uniform numbers come from a generator keyed by the two,
and its arithmetic is that of row i % GROUP in a group of constant size, whatever else is in it.

G rows of a group, T block_size, V symbols.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from handgrad.errors import SettingsError
from handgrad.train.settings import MAX_SEED

if TYPE_CHECKING:
    from handgrad.data import Vocabulary
    from handgrad.engine.evaluation import Inference
    from handgrad.models import Model
    from handgrad.train.runtime import Numbers

GROUP = 64
"""Rows computed together: a constant, as a product's rounding may depend on its number of rows."""
MAX_LENGTH = 500
"""Characters after which a word that has not ended is cut."""
_DRAWS = 32
"""Uniform numbers fetched at once: more than most names need."""

Tokens = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """One word; `ended` is False where it was cut at the length limit."""

    text: str
    ended: bool = True


@dataclass(frozen=True)
class Sampling:
    """How to draw. Raises SettingsError for values that cannot be."""

    seed: int = 42
    temperature: float = 1.0
    """0 takes the likeliest symbol each time; 1 follows the model; more is more even."""
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
) -> list[Sample]:
    """`n` words that begin with `how.prefix`.

    Raises SettingsError for a negative `n`, DataError for a symbol of the prefix that the model
    does not know.
    """
    from handgrad.engine.evaluation import inference_of

    if n < 0:
        raise SettingsError(f"n is {n}; it must be zero or more")
    how = how or Sampling()
    prefix = vocabulary.encode(how.prefix).astype(np.int64)
    inference = inference_of(model, params, state, GROUP)
    words: list[Sample] = []
    for first in range(0, n, GROUP):
        tokens, lengths = _group(model, inference, prefix, first, how)
        for row, length in zip(tokens, lengths, strict=True):
            ended = length < how.max_length
            words.append(Sample(how.prefix + vocabulary.decode(row[:length]), bool(ended)))
    return words[:n]


def _group(
    model: "Model",
    inference: "Inference",
    prefix: Tokens,
    first: int,
    how: Sampling,
) -> tuple[Tokens, Tokens]:
    """Samples first .. first + GROUP - 1: tokens (G, L) after the prefix and lengths (G,)."""
    start = np.concatenate([np.zeros(model.block_size, np.int64), prefix])[-model.block_size :]
    context = np.tile(start, (GROUP, 1))  # (G, T)
    uniform = _Uniform(how.seed, first)
    lengths = np.full(GROUP, how.max_length)
    columns: list[Tokens] = []
    while len(columns) < how.max_length and (lengths == how.max_length).any():
        scores = inference.logits(context).astype(np.float64)  # (G, V)
        chosen = choose(scores, uniform.next(), how)  # (G,)
        lengths = np.where((chosen == 0) & (lengths > len(columns)), len(columns), lengths)
        columns.append(chosen)
        context = np.concatenate([context[:, 1:], chosen[:, None]], axis=1)
    return np.stack(columns, axis=1), lengths


def choose(scores: Floats, uniform: Floats, how: Sampling) -> Tokens:
    """One symbol a row, (G,), from logits (G, V) and numbers in [0, 1) (G,)."""
    if how.temperature == 0:
        return np.asarray(scores.argmax(1))
    vocab_size = scores.shape[1]
    # the maximum is subtracted first: a small temperature must not make infinities of all
    likelihoods = np.exp((scores - scores.max(1, keepdims=True)) / how.temperature)  # (G, V)
    if how.top_k is not None and how.top_k < vocab_size:
        # stable, so that of equal scores the lower symbols are kept, and top_k of them in all
        order = np.argsort(-scores, axis=1, kind="stable")
        np.put_along_axis(likelihoods, order[:, how.top_k :], 0.0, axis=1)
    reached = likelihoods.cumsum(1)  # (G, V)
    # uniform is at most 1 - 2**-53, and times a total that rounds to less than the total: what is
    # chosen always has some weight
    return np.asarray((reached <= uniform[:, None] * reached[:, -1:]).sum(1))


class _Uniform:
    """Columns of uniform numbers; row r is the stream of sample first + r."""

    def __init__(self, seed: int, first: int) -> None:
        # the counter's top word keeps these streams off those of batches and initialisation
        self._generators = [
            np.random.Generator(np.random.Philox(key=[seed, index], counter=[0, 0, 0, 2]))
            for index in range(first, first + GROUP)
        ]
        self._held = np.empty((GROUP, 0))
        self._next = 0

    def next(self) -> Floats:
        if self._next == self._held.shape[1]:
            self._held = np.stack([generator.random(_DRAWS) for generator in self._generators])
            self._next = 0
        self._next += 1
        return self._held[:, self._next - 1]
