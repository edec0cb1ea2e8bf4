"""Batches that depend on (seed, step) alone.

One stream of 64-bit draws, NumPy's Philox (Salmon et al., SC 2011) with the seed as its key, counts
the examples of the whole run: example e is draw e, so step s at batch size B uses the draws s*B to
(s+1)*B - 1, and its target position is start + draw % n (n examples in the split). Philox is
counter-based: every step can be computed directly, in any order, by any engine or rank, and
resuming needs no generator state. The modulo favours some examples by less than n / 2**64.

B batch size, T block_size.
"""

import numpy as np

from handgrad.data.dataset import Dataset
from handgrad.errors import DataError, SettingsError

BLOCK_TOKENS = 1 << 16
"""Context tokens gathered at once: amortises NumPy's overhead over many steps; 512 KiB of int64."""
DRAWS_PER_COUNT = 4  # Philox 4x64 returns four numbers per counter value
SEED_END = 1 << 64  # one 64-bit word of Philox's key


class Batches:
    """The batches of one split, drawn with replacement, as by the lecture's randint."""

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        batch_size: int,
        block_size: int,
        seed: int,
        padding: int = 0,
    ) -> None:
        """Raises SettingsError for sizes below 1 or a seed outside 0 .. 2**64 - 1.

        Raises DataError for an empty split.
        """
        check(dataset, split, batch_size, block_size, seed)
        self._n_examples = dataset.n_examples(split)
        self._dataset, self._start = dataset, dataset.splits[split][0]
        self._batch_size, self._block_size, self._seed = batch_size, block_size, seed
        self._padding = padding
        self._steps = max(1, BLOCK_TOKENS // (batch_size * block_size))  # in a block
        self._first, self._end = 0, 0  # the steps in the block below
        self._inputs: np.ndarray = np.empty(0, dtype=np.int64)
        self._targets: np.ndarray = self._inputs

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the batch of `step` (0, 1, ...): inputs int64 (B, T), targets int64 (B,).

        Both are views of a cached block: do not write to them. Raises SettingsError for a negative
        step.
        """
        if not self._first <= step < self._end:
            self._gather(step)
        return self._inputs[step - self._first], self._targets[step - self._first]

    def positions(self, step: int, n_steps: int = 1) -> np.ndarray:
        """Return the target positions of `n_steps` steps from `step` on, int64 (n_steps * B,)."""
        first, count = step * self._batch_size, n_steps * self._batch_size
        return drawn(self._seed, first, count, self._n_examples) + self._start

    def _gather(self, step: int) -> None:
        if step < 0:
            raise SettingsError(f"step {step}: must be at least 0.")
        first = step - step % self._steps
        inputs, targets = self._dataset.contexts(
            self.positions(first, self._steps), self._block_size, self._padding
        )
        self._inputs = inputs.reshape(self._steps, self._batch_size, self._block_size)  # (S, B, T)
        self._targets = targets.reshape(self._steps, self._batch_size)  # (S, B)
        self._first, self._end = first, first + self._steps


def check(dataset: Dataset, split: str, batch_size: int, block_size: int, seed: int) -> None:
    """Raise SettingsError for an invalid size or seed, DataError for an empty split."""
    for name, size in (("batch size", batch_size), ("block size", block_size)):
        if size < 1:
            raise SettingsError(f"{name} {size}: must be at least 1.")
    if not 0 <= seed < SEED_END:
        raise SettingsError(f"seed {seed}: must be from 0 to {SEED_END - 1}.")
    if dataset.n_examples(split) == 0:
        raise DataError(f"{dataset.source}: its {split} split is empty. Add more items.")


def drawn(seed: int, first: int, count: int, below: int) -> np.ndarray:
    """Return `count` numbers of the seed's stream from draw `first` on, below `below`, int64."""
    skipped = first % DRAWS_PER_COUNT
    generator = np.random.Philox(key=seed)
    generator.advance(first // DRAWS_PER_COUNT)
    draws: np.ndarray = generator.random_raw(skipped + count)[skipped:]
    return (draws % np.uint64(below)).astype(np.int64)
