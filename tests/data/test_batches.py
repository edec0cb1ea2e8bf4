"""Batches are a function of (seed, step) alone."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handgrad.data import batches as module
from handgrad.data.batches import Batches
from handgrad.data.dataset import Dataset, open_dataset
from handgrad.errors import DataError, SettingsError


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return open_dataset("names")


def by_hand(
    dataset: Dataset, split: str, batch_size: int, block_size: int, seed: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the batch by definition: example e of the run is draw e of one stream."""
    start, end = dataset.splits[split]
    draws = np.random.Philox(key=seed).random_raw((step + 1) * batch_size)
    mine = draws[step * batch_size :]
    positions = [start + int(draw) % (end - start) for draw in mine]
    return dataset.contexts(np.array(positions), block_size)


@given(
    split=st.sampled_from(["train", "val", "test"]),
    batch_size=st.integers(1, 40),
    block_size=st.integers(1, 20),
    seed=st.one_of(st.integers(0, 9), st.just(2**64 - 1)),
    steps=st.lists(st.integers(0, 200), min_size=1, max_size=6),
    block_tokens=st.sampled_from([1, 100, 1000, module.BLOCK_TOKENS]),
)
def test_any_step_in_any_order(
    dataset: Dataset,
    split: str,
    batch_size: int,
    block_size: int,
    seed: int,
    steps: list[int],
    block_tokens: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_TOKENS", block_tokens)
        batches = Batches(dataset, split, batch_size, block_size, seed)
        for step in steps:
            inputs, targets = batches.at(step)
            expected = by_hand(dataset, split, batch_size, block_size, seed, step)
            assert inputs.shape == (batch_size, block_size)
            assert targets.shape == (batch_size,)
            assert inputs.dtype == targets.dtype == np.int64
            assert inputs.flags.c_contiguous
            assert (inputs == expected[0]).all()
            assert (targets == expected[1]).all()


def test_the_stream_is_pinned(dataset: Dataset) -> None:
    """A change of these positions would change every existing run."""
    batches = Batches(dataset, "train", batch_size=4, block_size=3, seed=42)
    assert batches.positions(0).tolist() == [63308, 5831, 6201, 44064]
    assert batches.positions(10**12).tolist() == [74075, 59287, 30206, 43498]


def test_the_draws_are_one_stream(dataset: Dataset) -> None:
    """Two batches of 16 are one of 32, so processes can share a batch."""
    small = Batches(dataset, "train", batch_size=16, block_size=3, seed=7)
    large = Batches(dataset, "train", batch_size=32, block_size=3, seed=7)
    halves = [small.at(10)[0], small.at(11)[0]]
    assert (np.concatenate(halves) == large.at(5)[0]).all()


def test_every_example_is_drawn(dataset: Dataset) -> None:
    """Positions stay inside the split, reach both ends, and are uniform.

    Chi-squared over 100 bins of 200,000 draws has mean 99 and standard deviation 14; 99 + 5 * 14 is
    practically impossible by chance.
    """
    start, end = dataset.splits["val"]
    positions = Batches(dataset, "val", 1000, 3, seed=1).positions(0, 200)
    assert positions.min() >= start
    assert positions.max() < end
    assert positions.min() == start
    assert positions.max() == end - 1
    counts = np.histogram(positions, bins=np.linspace(start, end, 101))[0]
    widths = np.diff(np.ceil(np.linspace(start, end, 101)))
    expected = 200_000 * widths / (end - start)
    assert ((counts - expected) ** 2 / expected).sum() < 99 + 5 * 14


def test_earlier_batches_keep_their_values(dataset: Dataset) -> None:
    batches = Batches(dataset, "train", batch_size=32, block_size=3, seed=1)
    inputs, targets = batches.at(0)
    copies = inputs.copy(), targets.copy()
    batches.at(10**6)
    assert (inputs == copies[0]).all()
    assert (targets == copies[1]).all()


@pytest.mark.parametrize(("batch_size", "block_size"), [(1, 1), (32, 3), (7, 1000), (3, 100_000)])
def test_a_block_is_bounded(dataset: Dataset, batch_size: int, block_size: int) -> None:
    batches = Batches(dataset, "train", batch_size, block_size, seed=1)
    held = batches.at(0)[0].base
    assert held is not None
    assert held.size <= max(module.BLOCK_TOKENS, batch_size * block_size)


@pytest.mark.parametrize("seed", [-1, 2**64, 2**200])
def test_invalid_seeds(dataset: Dataset, seed: int) -> None:
    with pytest.raises(SettingsError) as caught:
        Batches(dataset, "train", 32, 3, seed)
    assert str(caught.value) == f"seed {seed}: must be from 0 to 18446744073709551615."


def test_invalid_sizes(dataset: Dataset) -> None:
    with pytest.raises(SettingsError) as caught:
        Batches(dataset, "train", 0, 3, seed=1)
    assert str(caught.value) == "batch size 0: must be at least 1."
    with pytest.raises(SettingsError) as caught:
        Batches(dataset, "train", 32, -1, seed=1)
    assert str(caught.value) == "block size -1: must be at least 1."


def test_a_step_before_the_first(dataset: Dataset) -> None:
    with pytest.raises(SettingsError) as caught:
        Batches(dataset, "train", 32, 3, seed=1).at(-1)
    assert str(caught.value) == "step -1: must be at least 0."


def test_an_empty_split(tmp_path: Path) -> None:
    file = tmp_path / "two.txt"
    file.write_text("emma\nava\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        Batches(open_dataset(str(file)), "val", 32, 3, seed=1)
    assert str(caught.value) == f"{file}: its val split is empty. Add more items."
