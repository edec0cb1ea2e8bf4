"""The work that torch.compile and JAX get: our model's start, our batches, words padded.

W words or contexts of the split, B batch size, T block_size, S steps. Neither peer has a packed
form: each computes B * T characters, of which targets of -1 do not count, as makemore.py does.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handgrad.data import Dataset, open_dataset
from handgrad.data.batches import drawn
from handgrad.models import CONTEXTS, Model, make_model
from handgrad.models.initialise import Arrays
from handgrad.optim import Hyperparameters, bias_corrections

Tokens = npt.NDArray[np.int64]
LR, SEED = 5e-4, 1
HYPER = Hyperparameters(0.01, 0.9, 0.99, 1e-8)
NO_TARGET = -1


@dataclass(frozen=True, eq=False)
class Work:
    """One model, its start in float32, and the examples that batches are drawn from."""

    model: Model
    dataset: Dataset
    batch_size: int
    params: Arrays
    state: Arrays
    inputs: Tokens
    """(W, T)"""
    targets: Tokens
    """(W, T) of words, (W,) of contexts."""

    def rows(self, first: int, steps: int) -> Tokens:
        """Return which examples steps `first`, ... train on, (S, B): those of our batches."""
        count = steps * self.batch_size
        chosen = drawn(SEED, first * self.batch_size, count, len(self.inputs))
        return chosen.reshape(steps, self.batch_size)


Run = Callable[[int, int], float]
"""(first, steps) -> the last loss: train on that many batches, from batch `first` on."""
Build = Callable[[Work], Run]
"""Raises Absent."""


def prepare(source: str, name: str, batch_size: int, sizes: dict[str, int]) -> Work:
    """Return the work of a model in MODELS on the words of `source`."""
    dataset = open_dataset(source)
    model = make_model(name, dataset.vocabulary.size, dataset.longest, sizes)
    params, state = model.initialise(model.default_init, 1)
    inputs, targets = examples(dataset, model)
    return Work(model, dataset, batch_size, params, state, inputs, targets)


def examples(dataset: Dataset, model: Model) -> tuple[Tokens, Tokens]:
    """Return the inputs and targets of the train split."""
    if model.batches == CONTEXTS:
        positions = np.arange(*dataset.splits["train"])
        return dataset.contexts(positions, model.block_size, model.padding)
    return padded(*dataset.packed(dataset.word_starts("train"), model.block_size), model.block_size)


def padded(
    inputs: Tokens, targets: Tokens, offsets: Tokens, block_size: int
) -> tuple[Tokens, Tokens]:
    """Return packed words side by side, (W, T); what is after a word has no target."""
    exists = np.arange(block_size) < np.diff(offsets)[:, None]  # (W, T)
    rows, wanted = np.zeros(exists.shape, np.int64), np.full(exists.shape, NO_TARGET)
    rows[exists], wanted[exists] = inputs, targets
    return rows, wanted


def schedule(first: int, steps: int, lr: float = LR) -> npt.NDArray[np.float64]:
    """Return (S, 3): learning rate, first bias correction, root of the second."""
    bias1, bias2 = bias_corrections(HYPER, np.arange(first, first + steps) + 1.0)
    return np.stack([np.full(steps, lr), bias1, np.sqrt(bias2)], axis=1)
