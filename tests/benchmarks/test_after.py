"""What follows training is timed only where both sides have the same losses and like words."""

import dataclasses
import json
from pathlib import Path

import pytest
from benchmarks.peers import after
from benchmarks.peers.work import Cell, WrongPeer

from handgrad.data import Dataset, open_dataset
from tiny import write_words


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(str(write_words(tmp_path_factory.mktemp("words"), 300)))


@pytest.fixture(scope="module")
def trained(dataset: Dataset) -> after.Trained:
    return after.train(dataset, Cell(16, 8), 300)


def test_losses_and_words_are_the_lectures(trained: after.Trained) -> None:
    after.check_losses(after.lectures_losses(trained)(), after.our_losses(trained)())
    words, known = after.our_words(trained, 200), set("abcdefg")
    after.check_words(after.lectures_words(trained, 200)(), words())
    assert words() != words()
    assert {letter for word in words() for letter in word} <= known


@pytest.mark.parametrize("split", [0, 1, 2])
def test_a_loss_that_differs_is_refused(split: int) -> None:
    losses = [2.0, 2.1, 2.2]
    after.check_losses(losses, [loss + 9e-6 for loss in losses])
    losses[split] += 2e-5
    with pytest.raises(WrongPeer, match=r"^the loss of (train|val|test) is 2\.\d+, the lecture"):
        after.check_losses([2.0, 2.1, 2.2], losses)


def test_other_statistics_are_refused(trained: after.Trained) -> None:
    running = {name: value for name, value in trained.state.items() if "running" in name}
    other = dataclasses.replace(trained, state=running)
    with pytest.raises(WrongPeer, match=r"^the loss of train is "):
        after.check_losses(after.lectures_losses(trained)(), after.our_losses(other)())


def test_words_of_another_length_are_refused() -> None:
    words = ["ab", "abc", "abcd"] * 100
    after.check_words(words, words[::-1])
    with pytest.raises(WrongPeer, match=r"^words have 4\.00 characters, the lecture's 3\.00$"):
        after.check_words(words, [f"{word}e" for word in words])


def test_rates_and_ratios_are_by_the_clock_that_is_given(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(after, "STEPS", 300)
    monkeypatch.setattr(after, "WORDS", 64)
    ticks = iter(range(10**6))  # one second each time it is read
    text = after.compare(dataset, 0, ("ticks", lambda: next(ticks)), tmp_path / "a.json")
    rows = json.loads((tmp_path / "a.json").read_text())["rows"]
    examples = sum(end - start for start, end in dataset.splits.values())
    for row, rate in zip(rows, (examples, 64), strict=True):
        assert row["times_faster"] == row["low"] == row["high"] == 1
        # a second for all of them: what is left is the rounding of two divisions in float64
        assert row["a_second"] == pytest.approx({after.LECTURE: rate, after.OURS: rate})
    assert text.splitlines()[0].startswith("after training, one core, ticks ")
    assert text.splitlines()[2].startswith("64 words sampled, words a second ")
