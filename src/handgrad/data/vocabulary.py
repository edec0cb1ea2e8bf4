"""Symbols and their token numbers.

Symbol 0 is the boundary before, between and after words; it is shown as `.`, as in the notebooks.
The others are the data's characters (Unicode code points), sorted. A full stop in the data is a
separate symbol: it looks the same but has another number, so that no text can contain a boundary.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from handgrad.errors import DataError

BOUNDARY = "."
SYMBOL_LIMIT = 65_535
"""Maximum number of symbols besides the boundary: tokens have 16 bits."""
BYTE_LIMIT = 255
"""Maximum number of symbols besides the boundary for tokens of 8 bits."""
SHOWN = 40
"""Maximum number of symbols in an error message, which must stay one line."""


def token_dtype(size: int) -> np.dtype[np.unsignedinteger]:
    """Return the smallest dtype for a token of `size` symbols: uint8, or uint16 above 256."""
    return np.dtype(np.uint8 if size - 1 <= BYTE_LIMIT else np.uint16)


@dataclass(frozen=True)
class Vocabulary:
    """`symbols[0]` is the boundary. Raises DataError for symbols that `of` would not return."""

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        characters = self.symbols[1:]
        single = characters and all(
            isinstance(symbol, str) and len(symbol) == 1 for symbol in characters
        )
        if self.symbols[:1] != (BOUNDARY,) or not single:
            raise DataError("symbols: expected the boundary '.', then single characters.")
        if any(a >= b for a, b in pairwise(characters)):
            raise DataError("symbols: not sorted, or not unique.")
        if len(characters) > SYMBOL_LIMIT:
            raise DataError(
                f"{len(characters):,} different symbols; the maximum is {SYMBOL_LIMIT:,}."
                " Use text in fewer scripts."
            )

    @classmethod
    def of(cls, words: Iterable[str]) -> "Vocabulary":
        """Return the vocabulary of `words`."""
        return cls((BOUNDARY, *sorted(set().union(*words))))

    @property
    def size(self) -> int:
        """The number of symbols, boundary included: the number of classes of a model."""
        return len(self.symbols)

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """The dtype of its tokens."""
        return token_dtype(self.size)

    @cached_property
    def codes(self) -> np.ndarray:
        """The code point of every symbol, uint32 (size,); the boundary has that of `.`."""
        return np.array([ord(symbol) for symbol in self.symbols], dtype="<u4")

    @cached_property
    def _tokens(self) -> dict[str, int]:
        return {symbol: token for token, symbol in enumerate(self.symbols) if token > 0}

    def encode(self, word: str) -> np.ndarray:
        """Return the tokens of `word`, (len(word),), without boundaries.

        Raises DataError that names the first symbol that is not in the vocabulary.
        """
        for symbol in word:
            if symbol not in self._tokens:
                raise DataError(self._outside(symbol, word))
        return np.array([self._tokens[symbol] for symbol in word], dtype=self.dtype)

    def renumbering(self, other: "Vocabulary", source: str) -> np.ndarray:
        """Return the tokens here of the tokens of `other`, that of `source`, (other.size,).

        Raises DataError that names the first symbol that is not in this vocabulary.
        """
        for symbol in other.symbols[1:]:
            if symbol not in self._tokens:
                raise DataError(
                    f"{source}: the symbol {symbol!r} (U+{ord(symbol):04X}) is not in the model's "
                    f"vocabulary of {self.size - 1} symbols: leave out the words with it, "
                    "or train a new model"
                )
        numbers = [0, *(self._tokens[symbol] for symbol in other.symbols[1:])]
        return np.array(numbers, dtype=self.dtype)

    def decode(self, tokens: Iterable[int] | np.ndarray) -> str:
        """Return the text of `tokens`, integers from 0 to size - 1; a boundary becomes `.`."""
        numbers = (
            np.fromiter(tokens, dtype=np.int64) if not isinstance(tokens, np.ndarray) else tokens
        )
        return self.codes[numbers].tobytes().decode("utf-32-le")

    def _outside(self, symbol: str, word: str) -> str:
        known = "".join(self.symbols[1 : SHOWN + 1]) + ("..." if self.size - 1 > SHOWN else "")
        return (
            f"{symbol!r} (U+{ord(symbol):04X}) in {word!r} is not in the vocabulary of"
            f" {self.size - 1} symbols. Use only: {known}"
        )
