"""Batches of whole words, end to end, that depend on (seed, step) alone.

Word w of the whole run is draw w of the stream that `batches` describes: step s at batch size B
uses the draws s*B to (s+1)*B - 1. Nothing is padded: a batch has as many rows as its words have
characters, boundaries included.

    inputs   .  e  m  m  a  .  a  v  a      offsets 0, 5, 9
    targets  e  m  m  a  .  a  v  a  .

B words, N characters.
"""

import numpy as np

from handgrad.data.batches import check, drawn
from handgrad.data.dataset import Dataset


class WordBatches:
    """The batches of one split, drawn with replacement."""

    def __init__(
        self, dataset: Dataset, split: str, batch_size: int, block_size: int, seed: int
    ) -> None:
        """Of each word, at most `block_size` characters are read.

        Raises SettingsError and DataError as `Batches` does.
        """
        check(dataset, split, batch_size, block_size, seed)
        self._starts = dataset.word_starts(split)
        self._dataset = dataset
        self._batch_size, self._block_size, self._seed = batch_size, block_size, seed

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the batch of `step` (0, 1, ...): inputs, targets (N,), offsets (B + 1,), int64."""
        return self._dataset.packed(self.positions(step), self._block_size)

    def positions(self, step: int, n_steps: int = 1) -> np.ndarray:
        """Return where the words of `n_steps` steps from `step` on begin, int64 (n_steps * B,).

        A word begins at the boundary before it.
        """
        first, count = step * self._batch_size, n_steps * self._batch_size
        chosen: np.ndarray = self._starts[drawn(self._seed, first, count, len(self._starts))]
        return chosen
