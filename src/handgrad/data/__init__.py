"""Words, their vocabulary, one flat array of tokens, and batches from (seed, step). NumPy only."""

from handgrad.data.batches import Batches
from handgrad.data.dataset import SPLITS, Dataset, open_dataset
from handgrad.data.vocabulary import Vocabulary

__all__ = ["SPLITS", "Batches", "Dataset", "Vocabulary", "open_dataset"]
