"""A data set: words as one flat array of tokens, from which contexts are gathered as needed.

    tokens      .  e  m  m  a  .  a  v  a  .        boundary, word, boundary, ..., boundary
    position    0  1  2  3  4  5  6  7  8  9

Every position from 1 on is one example: its token is the target, and the T tokens before it are the
context, where everything before the word's first character counts as boundary. Only the current
batch depends on block_size, and a character takes one byte (two above 255 symbols).

B batch size, T block_size, N tokens.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from handgrad.data import cache, sources
from handgrad.data.encode import arrange, fill, survey
from handgrad.data.vocabulary import Vocabulary
from handgrad.errors import DataError, SettingsError

SPLITS = ("train", "val", "test")
LARGE_BYTES = 64 << 20
"""Files of at least this size are encoded once to a token file in the cache and mapped."""
CHUNK_TOKENS = 1 << 20  # tokens decoded at once


@dataclass(frozen=True, eq=False)
class Dataset:
    """Words of one source, in shuffled order, split 80/10/10 by word into train, val and test."""

    tokens: np.ndarray
    """uint8 or uint16 (N,), read-only: boundary, word, boundary, word, ..., boundary."""
    splits: dict[str, tuple[int, int]]
    """Split -> half-open range of its target positions."""
    vocabulary: Vocabulary
    source: str
    """The source's name: `names`, `makemore`, or the file's absolute path."""
    fingerprint: str
    """SHA-256 of the shuffle's seed and the words in file order (see `encode`)."""

    def n_examples(self, split: str) -> int:
        """Return the number of examples: characters plus one boundary per word."""
        start, end = self.range_of(split)
        return end - start

    def n_words(self, split: str) -> int:
        """Return the number of words in `split`."""
        start, end = self.range_of(split)
        return end - start - int(np.count_nonzero(self.tokens[start:end]))

    @property
    def longest(self) -> int:
        """The number of characters of the longest word, by one scan."""
        return int(self._lengths().max(initial=0))

    def n_longer(self, length: int) -> int:
        """Return the number of words of more than `length` characters."""
        return int(np.count_nonzero(self._lengths() > length))

    def _lengths(self) -> np.ndarray:
        """Return the number of characters of every word, by one scan."""
        return np.diff(np.flatnonzero(self.tokens == 0)) - 1

    def contexts(
        self, positions: np.ndarray, block_size: int, padding: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the examples at `positions` (B,): inputs (B, T), targets (B,), new int64 arrays.

        `padding` is the symbol of what is before the boundary of the target's word.
        Raises SettingsError for a block_size below 1, IndexError for a position outside 1 .. N - 1.
        """
        if block_size < 1:
            raise SettingsError(f"block size {block_size}: must be at least 1.")
        if positions.size and not 1 <= positions.min() <= positions.max() < len(self.tokens):
            raise IndexError(f"positions must be from 1 to {len(self.tokens) - 1}")
        inputs = np.full((len(positions), block_size), padding, dtype=np.int64)  # (B, T)
        inside = np.ones(len(positions), dtype=bool)  # (B,) no boundary so far
        for back in range(1, block_size + 1):
            # An index below 0 wraps to the end of the array but is masked: position 0 is boundary.
            # No index is below -N, because the loop ends after the longest word.
            before = self.tokens[positions - back]  # (B,)
            np.copyto(inputs[:, -back], before, where=inside)
            inside &= before != 0
            if not inside.any():
                break
        return inputs, self.tokens[positions].astype(np.int64)

    def word_starts(self, split: str) -> np.ndarray:
        """Return the position of the boundary before each word of `split`, int64, by one scan."""
        start, end = self.range_of(split)
        boundaries = np.flatnonzero(self.tokens[start - 1 : max(start, end) - 1] == 0)
        return boundaries + (start - 1) if end > start else np.empty(0, np.int64)

    def packed(
        self, starts: np.ndarray, block_size: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return whole words end to end: inputs, targets (N,), offsets (B + 1,), new int64 arrays.

        A word is given by the position of the boundary before it, (B,). Its inputs are that
        boundary and its characters, its targets its characters and the boundary after it; at most
        the first `block_size` of each.
        """
        pieces = []
        for start in starts:
            piece = self.tokens[start : start + block_size + 1]
            ends = np.flatnonzero(piece[1:] == 0)
            pieces.append(piece[: ends[0] + 2] if len(ends) else piece)
        none = np.empty(0, np.int64)
        inputs = np.concatenate([none, *(piece[:-1] for piece in pieces)])
        targets = np.concatenate([none, *(piece[1:] for piece in pieces)])
        offsets = np.cumsum([0, *(len(piece) - 1 for piece in pieces)])
        return inputs, targets, offsets

    def in_symbols_of(self, vocabulary: Vocabulary) -> "Dataset":
        """Return the same words in the token numbers of `vocabulary`.

        Raises DataError for a symbol that is not in it.
        """
        if vocabulary.symbols == self.vocabulary.symbols:
            return self
        tokens = vocabulary.renumbering(self.vocabulary, self.source)[self.tokens]
        tokens.flags.writeable = False
        return replace(self, tokens=tokens, vocabulary=vocabulary)

    def words(self, split: str) -> Iterator[str]:
        """Yield the words of `split` in shuffled order."""
        start, end = self.range_of(split)
        codes = self.vocabulary.codes.copy()
        codes[0] = ord("\n")  # unlike the boundary's full stop, never part of a word
        rest = ""
        for first in range(start, end, CHUNK_TOKENS):
            chunk = self.tokens[first : min(first + CHUNK_TOKENS, end)]
            *whole, rest = (rest + codes[chunk].tobytes().decode("utf-32-le")).split("\n")
            yield from whole

    def contains(self, split: str, word: str) -> bool:
        """Return whether `word` is in `split`; a scan without extra memory."""
        start, end = self.range_of(split)
        try:
            tokens = self.vocabulary.encode(word)
        except DataError:
            return False
        wanted = re.compile(re.escape(np.pad(tokens, 1).tobytes()))  # with both boundaries
        buffer = self.tokens[start - 1 : end].view(np.uint8)
        match = wanted.search(buffer)  # type: ignore[call-overload]  # accepts any buffer
        while match and match.start() % tokens.itemsize:  # not at the start of a token
            match = wanted.search(buffer, match.start() + 1)  # type: ignore[call-overload]
        return match is not None

    def range_of(self, split: str) -> tuple[int, int]:
        """Return the half-open range of target positions. Raises SettingsError for another name."""
        if split not in self.splits:
            raise SettingsError(f"split {split!r}: must be one of {', '.join(SPLITS)}.")
        return self.splits[split]


def open_dataset(source: str = "names", shuffle_seed: int | None = 42) -> Dataset:
    """Open `names` (embedded), `makemore` (downloaded once) or the file at path `source`.

    With `shuffle_seed` None the words stay in file order before they are split. Raises DataError,
    one line, for any fault of the source.
    """
    path = sources.locate(source)
    surveyed = survey(path, shuffle_seed)
    if path.stat().st_size >= LARGE_BYTES:
        tokens, splits = cache.open_tokens(path, surveyed, shuffle_seed)
    else:
        starts, splits = arrange(surveyed.lengths, shuffle_seed)
        tokens = np.empty(surveyed.n_tokens, dtype=surveyed.vocabulary.dtype)
        fill(tokens, path, surveyed, starts, shuffle_seed)
        tokens.flags.writeable = False
    name = source if sources.is_named(source) else str(Path(source).resolve())
    return Dataset(tokens, splits, surveyed.vocabulary, name, surveyed.fingerprint)
