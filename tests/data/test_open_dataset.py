"""Opening a source: its memory, its fingerprint, and its errors."""

import random
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest

from handgrad.data import encode
from handgrad.data.batches import Batches
from handgrad.data.dataset import open_dataset
from handgrad.errors import DataError


def write(folder: Path, words: list[str]) -> str:
    file = folder / "words.txt"
    file.write_bytes("".join(f"{word}\n" for word in words).encode())
    return str(file)


def test_held_memory_is_two_bytes_a_character(tmp_path: Path) -> None:
    """A million characters in 300 symbols, two bytes each, plus 5 % for everything else.

    A list of strings or a matrix of contexts would exceed this many times over.
    """
    many = [chr(0x4E00 + i) for i in range(300)]
    generator = random.Random(1)
    words = ["".join(generator.choices(many, k=10)) for _ in range(100_000)]
    source = write(tmp_path, words)
    n_characters = sum(len(word) + 1 for word in words)
    del words
    open_dataset("names")  # whatever is set up once
    tracemalloc.start()
    try:
        dataset = open_dataset(source)
        held = tracemalloc.get_traced_memory()[0]
        batches = [Batches(dataset, "train", 32, block_size, 1) for block_size in (3, 300)]
        held_by_set = tracemalloc.get_traced_memory()[0] - held
    finally:
        tracemalloc.stop()
    assert dataset.tokens.nbytes == 2 * (n_characters + 1)
    assert held <= 2 * 1.05 * n_characters
    assert held_by_set < 10_000
    assert batches[1].at(0)[0].shape == (32, 300)


def test_opening_holds_no_strings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word of three more characters may take 16 more bytes.

    Four are for its tokens, ten for length, order and position, the rest for the growth of arrays.
    In a list of strings it would take 60.
    """
    monkeypatch.setattr("handgrad.data.encode.CHUNK_WORDS", 10_000)
    monkeypatch.setattr("handgrad.data.words.BLOCK_BYTES", 1 << 14)
    peaks = []
    for n_words in (100_000, 200_000):
        source = write(tmp_path, [f"{i % 1000:03}" for i in range(n_words)])
        tracemalloc.start()
        try:
            open_dataset(source, shuffle_seed=None)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    (less, more) = peaks
    assert more - less <= 16 * 100_000


def test_the_fingerprint_is_of_the_words_in_order(tmp_path: Path) -> None:
    """By its definition.

    Line ends, a byte order mark and blank lines do not count; order, words and shuffle do.
    """
    file = tmp_path / "words.txt"
    same = [b"emma\nava\n", b"emma\r\nava", b"\xef\xbb\xbf\n emma\n\n\nava \n"]
    prints = set()
    for content in same:
        file.write_bytes(content)
        prints.add(open_dataset(str(file)).fingerprint)
    # printf 'handgrad words, shuffled by 42\nemma\nava\n' | sha256sum
    assert prints == {EMMA_AVA}
    others = [(b"ava\nemma\n", 42), (b"emm\naava\n", 42), (b"emma\nava\n", 1), (same[0], None)]
    for content, seed in others:
        file.write_bytes(content)
        prints.add(open_dataset(str(file), seed).fingerprint)
    assert len(prints) == 1 + len(others)


EMMA_AVA = "25723b77f6851bbcebdd5b690369085b5a23284f52bde16d3cd87d799cf8e33e"


def test_the_source_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, ["emma", "ava"])
    (tmp_path / "names").write_text("just\ntwo\n", encoding="utf-8")
    assert open_dataset("words.txt").source == str(tmp_path / "words.txt")
    assert open_dataset("names").source == "names"
    assert open_dataset("names").n_words("train") > 15_000
    assert open_dataset("./names").source == str(tmp_path / "names")
    assert open_dataset("./names").n_words("train") == 1


TOO_FEW = {
    "empty": (b"", "is empty. Put one item on each line, at least two."),
    "blank": (
        b"\n \r\n\t\n",
        "has only blank lines. Put one item on each line, at least two.",
    ),
    "mark": (
        b"\xef\xbb\xbf",
        "has only blank lines. Put one item on each line, at least two.",
    ),
    "one word": (b"\nemma\n", "only one item. Add at least one more, one item per line."),
}


@pytest.mark.parametrize(("content", "said"), TOO_FEW.values(), ids=TOO_FEW)
def test_too_few_words(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "words.txt"
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        open_dataset(str(file))
    assert str(caught.value) == f"{file}: {said}"


def test_too_many_symbols(tmp_path: Path) -> None:
    symbols = [chr(0x10000 + i) for i in range(65_536)]
    file = write(tmp_path, ["".join(symbols[a:b]) for a, b in pairwise(range(0, 65_537, 4096))])
    with pytest.raises(DataError) as caught:
        open_dataset(file)
    assert str(caught.value) == (
        f"{file}: 65,536 different symbols; the maximum is 65,535. Use text in fewer scripts."
    )


def test_a_file_that_changes_between_the_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, ["emma", "ava"])
    for now in (["emma", "avi"], ["emma", "ava", "zoe"], ["emma"], ["ava", "emma"]):
        write(tmp_path, ["emma", "ava"])

        def arrange(*args: object, now: list[str] = now) -> object:
            write(tmp_path, now)
            return encode.arrange(*args)  # type: ignore[arg-type]

        monkeypatch.setattr("handgrad.data.dataset.arrange", arrange)
        with pytest.raises(DataError) as caught:
            open_dataset(file)
        assert str(caught.value) == (
            f"{file}: changed while it was read. Try again when it is complete."
        )
