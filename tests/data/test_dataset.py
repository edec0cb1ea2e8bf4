"""The flat array against the notebooks' loops, on real and on invented words."""

import random
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handgrad.data.dataset import SPLITS, Dataset, open_dataset
from handgrad.errors import SettingsError


def write(folder: Path, words: list[str]) -> str:
    file = folder / "words.txt"
    file.write_bytes("".join(f"{word}\n" for word in words).encode())
    return str(file)


def notebook_splits(words: list[str], shuffle_seed: int | None) -> dict[str, list[str]]:
    """As in the lecture's cells."""
    words = list(words)
    if shuffle_seed is not None:
        random.Random(shuffle_seed).shuffle(words)
    n1, n2 = int(0.8 * len(words)), int(0.9 * len(words))
    return {"train": words[:n1], "val": words[n1:n2], "test": words[n2:]}


def notebook_examples(
    words: list[str], symbols: tuple[str, ...], block_size: int
) -> tuple[list[list[int]], list[int]]:
    """As in the lecture's build_dataset."""
    stoi = {s: i for i, s in enumerate(symbols) if i > 0}
    inputs, targets = [], []
    for word in words:
        context = [0] * block_size
        for token in [*(stoi[s] for s in word), 0]:
            inputs.append(context)
            targets.append(token)
            context = [*context[1:], token]
    return inputs, targets


def everything(dataset: Dataset, split: str, block_size: int) -> tuple[np.ndarray, np.ndarray]:
    return dataset.contexts(np.arange(*dataset.splits[split]), block_size)


MANY = [chr(0x4E00 + i) for i in range(300)]  # more symbols than a byte holds
WORDS = st.lists(
    st.one_of(
        st.text("ab.", min_size=1, max_size=12),
        st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=5),
    ).filter(lambda word: not word.startswith("\ufeff")),
    min_size=2,
    max_size=30,
)


@given(
    words=WORDS,
    wide=st.booleans(),
    shuffle_seed=st.sampled_from([42, 0, None]),
    block_size=st.one_of(st.integers(1, 9), st.just(1000)),
)
def test_the_notebooks_examples(
    tmp_path_factory: pytest.TempPathFactory,
    words: list[str],
    wide: bool,
    shuffle_seed: int | None,
    block_size: int,
) -> None:
    words = [*words, "".join(MANY)] if wide else words
    dataset = open_dataset(write(tmp_path_factory.mktemp("d"), words), shuffle_seed)
    assert dataset.vocabulary.symbols == (".", *sorted(set("".join(words))))
    assert dataset.tokens.dtype == dataset.vocabulary.dtype
    assert dataset.tokens.dtype == (np.uint16 if wide else np.uint8)
    for split, expected in notebook_splits(words, shuffle_seed).items():
        assert list(dataset.words(split)) == expected
        assert dataset.n_words(split) == len(expected)
        inputs, targets = everything(dataset, split, block_size)
        naive = notebook_examples(expected, dataset.vocabulary.symbols, block_size)
        assert dataset.n_examples(split) == len(naive[1])
        assert inputs.dtype == targets.dtype == np.int64
        assert inputs.shape == (len(naive[1]), block_size)
        assert inputs.tolist() == naive[0]
        assert targets.tolist() == naive[1]


@given(words=WORDS, wide=st.booleans(), asked=st.text("ab.", max_size=4))
def test_contains(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], wide: bool, asked: str
) -> None:
    words = [*words, "".join(MANY)] if wide else words
    dataset = open_dataset(write(tmp_path_factory.mktemp("d"), words))
    for split, inside in notebook_splits(words, 42).items():
        for word in {*words, *(w[1:] for w in words), *(w[:-1] for w in words), asked, "\n", ""}:
            assert dataset.contains(split, word) == (word in inside)


@pytest.mark.parametrize("present", [False, True])
def test_contains_ignores_matches_between_two_tokens(tmp_path: Path, present: bool) -> None:
    """In memory the word of token 2 is 00 00 02 00 00 00.

    The same bytes occur from the second byte of the tokens 1, 512, boundary, 256: 01 00 00 02 00 00
    00 01.
    """
    symbols = [chr(0x4E00 + i) for i in range(600)]  # symbols[i] has token i + 1
    words = [symbols[0] + symbols[511], symbols[255], symbols[1 if present else 2]]
    dataset = open_dataset(write(tmp_path, [*words, "".join(symbols)]), shuffle_seed=None)
    assert list(dataset.words("train")) == words
    assert dataset.contains("train", symbols[1]) == present


def test_contains_finds_a_word_after_a_coincidence(tmp_path: Path) -> None:
    """The word of token 257 is 00 00 01 01 00 00.

    The tokens 1, 256, 1, boundary, 257, boundary contain it at byte 1, a coincidence, and at byte
    6, which overlaps the coincidence by one byte.
    """
    symbols = [chr(0x4E00 + i) for i in range(300)]  # symbols[i] has token i + 1
    words = [symbols[0] + symbols[255] + symbols[0], symbols[256], symbols[7], "".join(symbols)]
    dataset = open_dataset(write(tmp_path, words), shuffle_seed=None)
    assert dataset.contains("train", symbols[256])


def test_the_published_splits(shared: Path, names_file: Path) -> None:
    published = tomllib.loads((shared / "published.toml").read_text(encoding="utf-8"))["splits"]
    for kind, seed in (("shuffled", 42), ("unshuffled", None)):
        dataset = open_dataset(str(names_file), seed)
        assert {split: dataset.n_examples(split) for split in SPLITS} == published[kind]


def test_the_lecture_s_names(names_file: Path) -> None:
    """Every example of the whole file, computed as in the lecture."""
    words = names_file.read_text(encoding="utf-8").splitlines()
    dataset = open_dataset(str(names_file))
    for split, expected in notebook_splits(words, 42).items():
        naive = notebook_examples(expected, dataset.vocabulary.symbols, 3)
        inputs, targets = everything(dataset, split, 3)
        assert (inputs == np.array(naive[0])).all()
        assert (targets == np.array(naive[1])).all()


def test_it_is_immutable(tmp_path: Path) -> None:
    dataset = open_dataset(write(tmp_path, ["ab", "cd"]))
    with pytest.raises(ValueError, match=r"^assignment destination is read-only$"):
        dataset.tokens[0] = 1


def test_fewer_splits_than_words(tmp_path: Path) -> None:
    """Two words: one to train, none to validate, one to test."""
    dataset = open_dataset(write(tmp_path, ["ab", "cd"]), shuffle_seed=None)
    assert [dataset.n_examples(split) for split in SPLITS] == [3, 0, 3]
    assert [dataset.n_words(split) for split in SPLITS] == [1, 0, 1]
    assert [list(dataset.words(split)) for split in SPLITS] == [["ab"], [], ["cd"]]
    assert everything(dataset, "val", 3)[0].shape == (0, 3)
    assert not dataset.contains("val", "ab")


def test_long_words_cross_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handgrad.data.dataset.CHUNK_TOKENS", 7)
    monkeypatch.setattr("handgrad.data.encode.CHUNK_WORDS", 3)
    words = [chr(97 + i) * (i + 1) for i in range(20)]
    dataset = open_dataset(write(tmp_path, words), shuffle_seed=5)
    for split, expected in notebook_splits(words, 5).items():
        assert list(dataset.words(split)) == expected


def test_contexts_near_the_start_of_the_array(tmp_path: Path) -> None:
    """Contexts that are longer than everything before them, beside a long word."""
    dataset = open_dataset(write(tmp_path, ["a", "b" * 30, "c"]), shuffle_seed=None)
    inputs, targets = dataset.contexts(np.array([1, 2, 33, 3]), 40)
    assert inputs.tolist() == [[0] * 40, [0] * 39 + [1], [0] * 10 + [2] * 30, [0] * 40]
    assert targets.tolist() == [1, 0, 0, 2]


def test_wrong_use(tmp_path: Path) -> None:
    dataset = open_dataset(write(tmp_path, ["ab", "cd"]))
    with pytest.raises(SettingsError) as caught:
        dataset.n_examples("dev")
    assert str(caught.value) == "split 'dev': must be one of train, val, test."
    with pytest.raises(SettingsError) as caught:
        dataset.contexts(np.array([1]), 0)
    assert str(caught.value) == "block size 0: must be at least 1."
    for position in (-1, 0, 7):
        with pytest.raises(IndexError, match=r"^positions must be from 1 to 6$"):
            dataset.contexts(np.array([1, position]), 3)
