"""Symbols and the whole numbers that stand for them.

Symbol 0 is the boundary before, between and after words; it is shown as `.` like in the notebooks.
The rest are the data's own characters (Unicode code points), sorted. A full stop in the data is a
symbol of its own, shown alike but numbered apart, so that no text can forge a boundary.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from handgrad.errors import DataError

BOUNDARY = "."
SYMBOL_LIMIT = 65_535
"""Symbols beside the boundary that fit 16 bits."""
BYTE_LIMIT = 255
"""Symbols beside the boundary that fit 8 bits."""
SHOWN = 40
"""Symbols that an error lists, so that it stays one line."""


def token_dtype(size: int) -> np.dtype[np.unsignedinteger]:
    """The smallest type that holds a token of `size` symbols: uint8, or uint16 above 256."""
    return np.dtype(np.uint8 if size - 1 <= BYTE_LIMIT else np.uint16)


@dataclass(frozen=True)
class Vocabulary:
    """`symbols[0]` is the boundary. Raises DataError for symbols that `of` would not have made."""

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        own = self.symbols[1:]
        if self.symbols[:1] != (BOUNDARY,) or not own or any(len(s) != 1 for s in own):
            raise DataError("symbols: not the boundary '.' and then single characters.")
        if any(a >= b for a, b in pairwise(own)):
            raise DataError("symbols: not sorted, or one twice.")
        if len(own) > SYMBOL_LIMIT:
            raise DataError(
                f"{len(own):,} different symbols, at most {SYMBOL_LIMIT:,} are possible."
                " Give text in fewer scripts."
            )

    @classmethod
    def of(cls, words: Iterable[str]) -> "Vocabulary":
        """The vocabulary of `words`."""
        return cls((BOUNDARY, *sorted(set().union(*words))))

    @property
    def size(self) -> int:
        """Symbols with the boundary: the number of classes of a model."""
        return len(self.symbols)

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """That of its tokens."""
        return token_dtype(self.size)

    @cached_property
    def codes(self) -> np.ndarray:
        """The code point of every symbol, uint32 (size,); the boundary's is that of `.`."""
        return np.array([ord(symbol) for symbol in self.symbols], dtype="<u4")

    @cached_property
    def _tokens(self) -> dict[str, int]:
        return {symbol: token for token, symbol in enumerate(self.symbols) if token > 0}

    def encode(self, word: str) -> np.ndarray:
        """The tokens of `word`, (len(word),), without boundaries.

        Raises DataError naming the first symbol that is not in the vocabulary.
        """
        for symbol in word:
            if symbol not in self._tokens:
                raise DataError(self._outside(symbol, word))
        return np.array([self._tokens[symbol] for symbol in word], dtype=self.dtype)

    def decode(self, tokens: Iterable[int] | np.ndarray) -> str:
        """The text of `tokens`, any whole numbers from 0 to size - 1; a boundary becomes `.`."""
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
