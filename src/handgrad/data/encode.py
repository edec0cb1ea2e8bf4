"""From a words file to the flat token array, in two passes without Python strings.

The first pass surveys the file: symbols, lengths, fingerprint. The order of the words is then
shuffled as numbers, which gives every word its position; the second pass writes each block's tokens
directly to their positions, in memory or a mapped file. Memory per word between the passes: two
bytes for its length, four for the order and four for its position (eight each beyond 2**32).
"""

import hashlib
import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handgrad.data.vocabulary import BOUNDARY, Vocabulary
from handgrad.data.words import read_blocks
from handgrad.errors import DataError

CODE_POINTS = 0x110000  # of Unicode
CHUNK_WORDS = 1 << 20  # words arranged at once, which limits temporary memory
TRAIN, TRAIN_AND_VAL = 0.8, 0.9  # the notebooks' split of the words


@dataclass(frozen=True, eq=False)
class Survey:
    """What the first pass finds out about W words."""

    vocabulary: Vocabulary
    lengths: np.ndarray
    """Characters of each word in file order, uint16 (W,); the longest line fits."""
    fingerprint: str

    @property
    def n_tokens(self) -> int:
        """The number of characters, one boundary after each word and one before the first."""
        return int(self.lengths.sum(dtype=np.int64)) + len(self.lengths) + 1


def survey(path: Path, shuffle_seed: int | None) -> Survey:
    """Read all of `path` once.

    Raises DataError as `read_blocks` does, and for fewer than two words or too many symbols.
    """
    is_symbol = np.zeros(CODE_POINTS, dtype=bool)
    lengths = array("H")
    digest = _fingerprint(shuffle_seed)
    for words, text, codes in _coded_blocks(path):
        digest.update(text)
        is_symbol[codes] = True
        lengths.extend(map(len, words))
    if len(lengths) < 2:
        raise DataError(_too_few(path, len(lengths)))
    is_symbol[ord("\n")] = False
    symbols = (BOUNDARY, *map(chr, np.flatnonzero(is_symbol).tolist()))
    try:
        vocabulary = Vocabulary(symbols)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return Survey(vocabulary, np.frombuffer(lengths, dtype=np.uint16), digest.hexdigest())


def _coded_blocks(path: Path) -> Iterator[tuple[list[str], bytes, np.ndarray]]:
    """Yield each block's words, their UTF-8 text with `\\n` after each, and its code points."""
    for words in read_blocks(path):
        if words:
            text = "\n".join(words) + "\n"
            yield words, text.encode(), np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def _fingerprint(shuffle_seed: int | None) -> "hashlib._Hash":
    """Start the SHA-256 of a line about the shuffle, then the words, `\\n` after each.

    Together these determine the order of the words; line ends, a BOM and blank lines do not count.
    """
    return hashlib.sha256(f"handgrad words, shuffled by {shuffle_seed}\n".encode())


def _too_few(path: Path, n_words: int) -> str:
    if n_words == 1:
        return f"{path}: only one item. Add at least one more, one item per line."
    what = "is empty" if path.stat().st_size == 0 else "has only blank lines"
    return f"{path}: {what}. Put one item on each line, at least two."


def _index_type(count: int) -> np.dtype[np.unsignedinteger]:
    return np.dtype(np.uintc if count < 1 << 32 else np.ulonglong)  # `array` supports both types


def arrange(
    lengths: np.ndarray, shuffle_seed: int | None
) -> tuple[np.ndarray, dict[str, tuple[int, int]]]:
    """Give every word its position.

    Return the position of each word's first character, uint32 or uint64 (W,) in file order, and the
    half-open range of target positions of each split.
    """
    n_words = len(lengths)
    order = array(_index_type(n_words).char, range(n_words))
    if shuffle_seed is not None:
        random.Random(shuffle_seed).shuffle(order)  # same order as the notebooks' shuffled list
    starts = np.empty(n_words, dtype=_index_type(int(lengths.sum(dtype=np.int64)) + n_words + 1))
    end = 1  # after the first boundary
    for first in range(0, n_words, CHUNK_WORDS):
        chosen = np.asarray(order[first : first + CHUNK_WORDS])
        sizes = lengths[chosen].astype(np.int64) + 1
        ends = end + np.cumsum(sizes)
        starts[chosen] = ends - sizes
        end = int(ends[-1])
    first_val, first_test = (
        int(starts[order[k]]) if (k := int(share * n_words)) < n_words else end
        for share in (TRAIN, TRAIN_AND_VAL)
    )
    return starts, {
        "train": (1, first_val),
        "val": (first_val, first_test),
        "test": (first_test, end),
    }


def fill(
    tokens: np.ndarray, path: Path, surveyed: Survey, starts: np.ndarray, shuffle_seed: int | None
) -> None:
    """Write the tokens of `path` to `tokens` (N,).

    Raises DataError if the file has changed since the survey.
    """
    table = np.zeros(CODE_POINTS, dtype=surveyed.vocabulary.dtype)
    table[surveyed.vocabulary.codes[1:]] = np.arange(1, surveyed.vocabulary.size)
    digest = _fingerprint(shuffle_seed)
    tokens[0] = 0
    done = 0
    for words, text, codes in _coded_blocks(path):
        digest.update(text)
        block = slice(done, done + len(words))
        sizes = surveyed.lengths[block].astype(np.int64) + 1
        if int(sizes.sum()) != len(codes):
            break  # the digest will differ too
        # from a token's index in this block to its position in the whole
        offsets = starts[block].astype(np.int64) - (np.cumsum(sizes) - sizes)
        tokens[np.repeat(offsets, sizes) + np.arange(len(codes))] = table[codes]
        done += len(words)
    if digest.hexdigest() != surveyed.fingerprint:
        raise DataError(f"{path}: changed while it was read. Try again when it is complete.")
