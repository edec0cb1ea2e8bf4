"""The loss of a split against a plain computation over all of it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from handgrad.data import Dataset, Vocabulary, open_dataset
from handgrad.engine.torch_inference import logits
from handgrad.errors import DataError, RunError
from handgrad.models import MLP, Bigram
from handgrad.training import evaluate
from handgrad.training.evaluate import (
    EvaluationData,
    SplitLoss,
    calibrated,
    split_loss,
    with_statistics,
    words_cut,
)
from handgrad.training.prepare import fresh
from handgrad.training.settings import TrainSettings
from tiny import model_for, words_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return words_dataset(tmp_path)


def started(model: MLP) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    start = fresh(model, TrainSettings(init="exercise", engine="fused").resolved())
    return start.params, start.state


def plain(dataset: Dataset, model: MLP, split: str) -> float:
    """Return the mean loss by definition, float64, all examples at once."""
    params, state = started(model)
    inputs, targets = dataset.contexts(np.arange(*dataset.splits[split]), model.block_size)
    scores = logits(model, params, state, torch.from_numpy(inputs)).double()
    logprobs = scores - scores.logsumexp(1, keepdim=True)
    return -float(logprobs[np.arange(len(targets)), targets].mean())


@pytest.mark.parametrize("chunk_numbers", [2**22, 80, 1])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_loss_of_a_split(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, split: str, chunk_numbers: int
) -> None:
    """Chunks of all, 6 and 1 rows: the result depends on them only by float32's rounding."""
    monkeypatch.setattr(evaluate, "CHUNK_NUMBERS", chunk_numbers)
    model = model_for(dataset)
    params, state = started(model)
    loss = split_loss(
        model, params, state, EvaluationData(dataset, model, dataset.vocabulary), split
    )
    assert loss is not None
    assert loss.examples == dataset.n_examples(split)
    # losses of about 2 from logits with a few roundings of 2**-24 each
    assert loss.nats == pytest.approx(plain(dataset, model, split), rel=0, abs=1e-6)


def test_bits() -> None:
    assert SplitLoss(math.log(8), 1).bits == pytest.approx(3)


def test_chunks_are_bounded(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "CHUNK_NUMBERS", 50)
    model = model_for(dataset, n_hidden=10, n_embd=1)  # the widest activation has 10 numbers
    data = EvaluationData(dataset, model, dataset.vocabulary)
    rows = [len(targets) for _, targets in data.chunks("train")]
    assert sum(rows) == dataset.n_examples("train")
    assert len(rows) > 1
    assert set(rows[:-1]) == {50 // 10}


def test_a_narrow_models_chunks_are_bounded_too(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "CHUNK_ROWS", 7)
    data = EvaluationData(dataset, model_for(dataset), dataset.vocabulary)
    rows = [len(targets) for _, targets in data.chunks("train")]
    assert sum(rows) == dataset.n_examples("train")
    assert set(rows[:-1]) == {7}


def test_a_sample_is_spread_evenly_and_fixed(dataset: Dataset) -> None:
    model = model_for(dataset, block_size=1)
    data = EvaluationData(dataset, model, dataset.vocabulary)
    first, end = dataset.splits["train"]
    limit = 7
    positions = [first + nth * (end - first) // limit for nth in range(limit)]
    for _ in range(2):
        got = np.concatenate([targets for _, targets in data.chunks("train", limit)])
        assert got.tolist() == dataset.tokens[positions].tolist()
    gaps = np.diff(positions)
    assert gaps.max() - gaps.min() <= 1


def test_empty_split_has_no_loss(tmp_path: Path) -> None:
    path = tmp_path / "two.txt"
    path.write_text("ab\nba\n")
    dataset = open_dataset(str(path))
    assert dataset.n_examples("val") == 0
    model = model_for(dataset)
    data = EvaluationData(dataset, model, dataset.vocabulary)
    assert split_loss(model, *started(model), data, "val") is None


def test_other_words_are_renumbered(dataset: Dataset, tmp_path: Path) -> None:
    """The same words with a vocabulary of more symbols: the model receives its own numbers."""
    wider = Vocabulary((".", "A", *dataset.vocabulary.symbols[1:]))
    model = MLP(wider.size, n_embd=2, n_hidden=3)
    inputs, targets = next(EvaluationData(dataset, model, wider).chunks("train"))
    own_inputs, own_targets = next(
        EvaluationData(dataset, model, dataset.vocabulary).chunks("train")
    )
    assert np.array_equal(targets, np.where(own_targets > 0, own_targets + 1, 0))
    assert np.array_equal(inputs, np.where(own_inputs > 0, own_inputs + 1, 0))


def test_a_symbol_that_the_model_does_not_know(dataset: Dataset) -> None:
    narrower = Vocabulary(tuple(".abcdef"))
    with pytest.raises(DataError) as caught:
        EvaluationData(dataset, MLP(narrower.size), narrower)
    assert str(caught.value) == (
        f"{dataset.source}: the symbol 'g' (U+0067) is not in the model's vocabulary of 6 symbols: "
        "leave out the words with it, or train a new model"
    )


def test_statistics(dataset: Dataset) -> None:
    model = model_for(dataset)
    params, running = started(model)
    both = calibrated(model, params, running, EvaluationData(dataset, model, dataset.vocabulary))
    assert both.keys() > running.keys()
    assert with_statistics(model, both, None) == both
    assert with_statistics(model, both, "calibrated") == both
    assert with_statistics(model, both, "running").keys() == running.keys()
    assert with_statistics(model, running, None).keys() == running.keys()
    with pytest.raises(RunError) as caught:
        with_statistics(model, running, "calibrated")
    assert str(caught.value) == (
        "the run has no calibrated statistics, because it is not finished: "
        "finish it with --resume, or evaluate with --statistics running"
    )


def test_statistics_of_a_model_without_batchnorm(dataset: Dataset) -> None:
    model = model_for(dataset, batchnorm=False)
    assert with_statistics(model, {}, "calibrated") == {}


def test_words_that_are_longer_than_the_model_reads(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("ab\nabcd\nabcde\n" * 10)
    dataset = open_dataset(str(words))
    assert [dataset.n_longer(length) for length in (0, 2, 3, 4, 5)] == [30, 20, 20, 10, 0]
    reads = {size: Bigram(dataset.vocabulary.size, block_size=size) for size in (6, 5)}
    assert words_cut(reads[6], dataset) is None
    assert words_cut(reads[5], dataset) == (
        "block size 5: 10 words have more than 4 characters; "
        "what follows is neither trained on nor counted"
    )
    assert words_cut(model_for(dataset), dataset) is None  # a model on contexts reads all
