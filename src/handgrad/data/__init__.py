"""Words, their vocabulary, one flat array of tokens, and batches from (seed, step). NumPy only."""

from handgrad.data.batches import Batches
from handgrad.data.dataset import SPLITS, Dataset, open_dataset
from handgrad.data.vocabulary import Vocabulary
from handgrad.data.word_batches import WordBatches

__all__ = ["SPLITS", "Batches", "Dataset", "Vocabulary", "WordBatches", "open_dataset"]
