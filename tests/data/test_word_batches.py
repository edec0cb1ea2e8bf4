"""Batches of whole words are a function of (seed, step) alone."""

from pathlib import Path

import numpy as np
import pytest

from handgrad.data.dataset import Dataset, open_dataset
from handgrad.data.word_batches import WordBatches
from handgrad.errors import DataError, SettingsError


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return open_dataset("names")


@pytest.mark.parametrize("block_size", [1, 3, 16])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_batch_by_definition(dataset: Dataset, split: str, block_size: int) -> None:
    """Word w of the run is draw w of one stream; of a long word, the first characters are read."""
    words = list(dataset.words(split))
    draws = np.random.Philox(key=7).random_raw(15)[10:]
    chosen = [dataset.vocabulary.encode(words[int(draw) % len(words)]) for draw in draws]
    inputs, targets, offsets = WordBatches(dataset, split, 5, block_size, seed=7).at(2)
    for word, begin, end in zip(chosen, offsets[:-1], offsets[1:], strict=True):
        assert np.array_equal(inputs[begin:end], [0, *word][:block_size])
        assert np.array_equal(targets[begin:end], [*word, 0][:block_size])
    assert offsets[-1] == len(inputs) == len(targets)


@pytest.mark.parametrize(
    ("batch_size", "block_size", "seed", "message"),
    [
        (0, 3, 1, "batch size 0: must be at least 1."),
        (32, 0, 1, "block size 0: must be at least 1."),
        (32, 3, -1, "seed -1: must be from 0 to 18446744073709551615."),
    ],
)
def test_invalid_sizes(
    dataset: Dataset, batch_size: int, block_size: int, seed: int, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        WordBatches(dataset, "train", batch_size, block_size, seed)
    assert str(caught.value) == message


def test_an_empty_split(tmp_path: Path) -> None:
    file = tmp_path / "two.txt"
    file.write_text("emma\nava\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        WordBatches(open_dataset(str(file)), "val", 32, 3, seed=1)
    assert str(caught.value) == f"{file}: its val split is empty. Add more items."
