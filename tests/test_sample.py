"""Samples: determined by (seed, i) alone, with the model's distribution, ended or cut."""

from pathlib import Path

import numpy as np
import pytest
import torch

from handgrad import sample as module
from handgrad.data import Dataset
from handgrad.engine.torch_inference import logits
from handgrad.errors import DataError, SettingsError
from handgrad.models import MLP
from handgrad.sample import GROUP, SampledWord, Sampling, choose, sample
from handgrad.training.prepare import fresh
from handgrad.training.settings import TrainSettings
from tiny import model_for, words_dataset


class Trained:
    """A model with parameters that make every symbol likely."""

    def __init__(self, dataset: Dataset, block_size: int = 3) -> None:
        self.model: MLP = model_for(dataset, block_size=block_size)
        start = fresh(self.model, TrainSettings(init="exercise", engine="fused").resolved())
        self.params, self.state, self.vocabulary = start.params, start.state, dataset.vocabulary

    def sample(self, n: int, **how: object) -> list[SampledWord]:
        return sample(self.model, self.params, self.state, self.vocabulary, n, Sampling(**how))  # type: ignore[arg-type]

    def texts(self, n: int, **how: object) -> list[str]:
        return [word.text for word in self.sample(n, **how)]


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    return Trained(words_dataset(tmp_path))


def test_the_same_seed_gives_the_same_samples(trained: Trained) -> None:
    assert trained.texts(5) == trained.texts(5)
    assert trained.texts(5) != trained.texts(5, seed=1)


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 130])
def test_sample_i_does_not_depend_on_n(trained: Trained, n: int) -> None:
    assert trained.texts(n) == trained.texts(3 * GROUP)[:n]


def test_sample_i_does_not_depend_on_other_samples(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other random numbers for the other rows, sample 5 does not change."""
    expected = trained.texts(10)
    elsewhere = np.random.default_rng(0)

    class Elsewhere(module._Uniform):
        def next(self) -> module.Floats:
            drawn = super().next().copy()
            kept = drawn[5]
            drawn[:] = elsewhere.random(GROUP)
            drawn[5] = kept
            return drawn

    monkeypatch.setattr(module, "_Uniform", Elsewhere)
    others = trained.texts(10)
    assert others[5] == expected[5]
    assert others[:5] + others[6:] != expected[:5] + expected[6:]


def test_none(trained: Trained) -> None:
    assert trained.sample(0) == []


def test_follows_the_models_probabilities(trained: Trained) -> None:
    """The first symbols of 6400 samples against softmax(logits) of the empty context."""
    n = 6400
    scores = logits(
        trained.model, trained.params, trained.state, torch.zeros(1, 3, dtype=torch.long)
    )
    expected = scores[0].double().softmax(0).numpy()
    firsts = [text[:1] for text in trained.texts(n, max_length=1)]
    symbols = ("", *trained.vocabulary.symbols[1:])
    found = np.array([firsts.count(symbol) for symbol in symbols]) / n
    # five standard deviations of a share near 1/8 over 6400: 5 * sqrt(1/8 * 7/8 / 6400) = 0.021
    assert np.abs(found - expected).max() < 0.021


def test_prefix(trained: Trained) -> None:
    texts = trained.texts(20, prefix="abc")
    assert all(text.startswith("abc") for text in texts)
    assert len(set(texts)) > 1


def test_prefix_longer_than_the_context(trained: Trained) -> None:
    """The next symbol depends on the last block_size symbols alone."""
    long = [text[5:] for text in trained.texts(20, prefix="ggabc")]
    short = [text[3:] for text in trained.texts(20, prefix="abc")]
    assert long == short


def test_a_prefix_is_followed_by_the_most_likely_symbol(trained: Trained) -> None:
    """For every pair of symbols; few would agree by chance."""
    symbols = trained.vocabulary.symbols[1:]
    for prefix in (a + b for a in symbols for b in symbols):
        context = torch.tensor([[0, *trained.vocabulary.encode(prefix).tolist()]])
        scores = logits(trained.model, trained.params, trained.state, context)
        likeliest = int(scores[0].argmax())
        expected = prefix + (trained.vocabulary.symbols[likeliest] if likeliest else "")
        assert trained.texts(1, prefix=prefix, temperature=0, max_length=1) == [expected]


def test_prefix_with_an_unknown_symbol(trained: Trained) -> None:
    with pytest.raises(DataError, match=r"'X' \(U\+0058\)"):
        trained.texts(1, prefix="aX")


def test_cut(trained: Trained) -> None:
    words = trained.sample(50, max_length=2)
    assert {word.ended for word in words} == {True, False}
    assert all(len(word.text) == 2 for word in words if not word.ended)
    assert all(len(word.text) < 2 for word in words if word.ended)


def test_greedy(trained: Trained) -> None:
    assert len(set(trained.texts(5, temperature=0, max_length=9))) == 1
    assert trained.texts(5, top_k=1, max_length=9) == trained.texts(5, temperature=0, max_length=9)
    assert trained.texts(3, temperature=1e-300, max_length=9) == trained.texts(
        3, temperature=0, max_length=9
    )


def test_top_k_larger_than_the_vocabulary(trained: Trained) -> None:
    assert trained.texts(5, top_k=1000) == trained.texts(5)


SCORES = np.log(np.array([[0.5, 0.2, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]]))


def chosen(u: float, **how: object) -> list[int]:
    drawn = choose(SCORES, np.array([u, u]), Sampling(**how))  # type: ignore[arg-type]
    return [int(symbol) for symbol in drawn]


@pytest.mark.parametrize(
    ("u", "symbols"),
    [(0.0, [0, 0]), (0.499, [0, 2]), (0.501, [1, 2]), (0.699, [1, 3]), (1 - 2**-53, [3, 3])],
)
def test_choose_by_the_cumulated_probabilities(u: float, symbols: list[int]) -> None:
    assert chosen(u) == symbols


def test_choose_among_the_top() -> None:
    # of the two scores of 0.2 the lower symbol is kept; shares 5/7 and 2/7, 3/7 and 4/7
    assert [chosen(u, top_k=2) for u in (0.0, 0.71, 0.72, 1 - 2**-53)] == [
        [0, 2],
        [0, 3],
        [1, 3],
        [1, 3],
    ]


def test_of_many_equal_scores_the_lowest_symbols_are_kept() -> None:
    scores = np.tile([1.0, 0.0], (1, 500))  # 0, 2, 4, ... have the higher score
    expected = {3: [0, 2, 4], 600: sorted([*range(0, 1000, 2), *range(1, 200, 2)])}
    # closer together than the least likely symbol's share, 1 / (500 e + 100)
    uniform = np.linspace(0, 1, 2000, endpoint=False)
    for top_k, symbols in expected.items():
        chosen = choose(scores.repeat(len(uniform), 0), uniform, Sampling(top_k=top_k))
        assert np.unique(chosen).tolist() == symbols


def test_a_symbol_of_probability_zero_is_never_chosen() -> None:
    """With the largest number below 1, however the total is rounded."""
    for scores in np.random.default_rng(0).normal(0, 3, (1000, 1, 9)):
        (symbol,) = choose(scores, np.array([1 - 2**-53]), Sampling(top_k=4))
        assert scores[0, symbol] >= np.sort(scores[0])[-4]


def test_a_higher_temperature_is_more_uniform() -> None:
    assert chosen(0.48, temperature=1.0) == [0, 2]
    assert chosen(0.48, temperature=1e6) == [1, 1]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("seed", -1, "seed is -1; it must be from 0 to 9223372036854775807"),
        ("temperature", -0.5, "temperature is -0.5; it must be a finite number, zero or more"),
        (
            "temperature",
            float("nan"),
            "temperature is nan; it must be a finite number, zero or more",
        ),
        (
            "temperature",
            float("inf"),
            "temperature is inf; it must be a finite number, zero or more",
        ),
        ("top_k", 0, "top_k is 0; it must be at least 1"),
        ("max_length", 0, "max_length is 0; it must be at least 1"),
    ],
)
def test_invalid_values(name: str, value: object, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Sampling(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value) == line


def test_negative_number(trained: Trained) -> None:
    with pytest.raises(SettingsError) as caught:
        trained.sample(-1)
    assert str(caught.value) == "n is -1; it must be zero or more"
