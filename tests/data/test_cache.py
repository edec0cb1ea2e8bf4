"""Token files: built once, complete or absent, and equal to the tokens in memory."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from handgrad.data import cache
from handgrad.data.dataset import SPLITS, Dataset, open_dataset
from handgrad.errors import DataError

WORDS = [f"{i:x}" for i in range(3000)]
WIDE = [*WORDS, "".join(chr(0x4E00 + i) for i in range(300))]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, used for files of any size."""
    monkeypatch.setattr("handgrad.data.dataset.LARGE_BYTES", 0)
    monkeypatch.setenv("HANDGRAD_CACHE", str(tmp_path / "cache" / "deeper"))
    return tmp_path / "cache" / "deeper"


@pytest.fixture
def source(tmp_path: Path) -> str:
    file = tmp_path / "words.txt"
    file.write_text("\n".join(WORDS), encoding="utf-8")
    return str(file)


def built(folder: Path) -> Path:
    """Return the only file in the cache folder, hidden files included."""
    (file,) = folder.iterdir()
    return file


def assert_equal(one: Dataset, two: Dataset) -> None:
    assert one.tokens.dtype == two.tokens.dtype
    assert (one.tokens == two.tokens).all()
    assert one.splits == two.splits
    assert one.vocabulary == two.vocabulary
    assert (one.source, one.fingerprint) == (two.source, two.fingerprint)


def in_memory(source: str, shuffle_seed: int | None = 42) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("handgrad.data.dataset.LARGE_BYTES", 1 << 40)
        return open_dataset(source, shuffle_seed)


@pytest.mark.parametrize("shuffle_seed", [42, None])
@pytest.mark.parametrize("words", [WORDS, WIDE], ids=["one byte", "two bytes"])
def test_mapped_equals_in_memory(
    tmp_path: Path, folder: Path, words: list[str], shuffle_seed: int | None
) -> None:
    file = tmp_path / "words.txt"
    file.write_text("\n".join(words), encoding="utf-8")
    mapped = open_dataset(str(file), shuffle_seed)
    assert_equal(mapped, in_memory(str(file), shuffle_seed))
    assert built(folder).name == f"{mapped.fingerprint}.tokens"
    assert isinstance(mapped.tokens.base, np.memmap)
    assert not mapped.tokens.flags.writeable


def test_only_large_files_are_cached(
    folder: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = Path(source).stat().st_size
    monkeypatch.setattr("handgrad.data.dataset.LARGE_BYTES", size + 1)
    open_dataset(source)
    assert not folder.exists()
    monkeypatch.setattr("handgrad.data.dataset.LARGE_BYTES", size)
    open_dataset(source)
    assert built(folder).stat().st_size == cache.HEADER_BYTES + len(open_dataset(source).tokens)


def test_built_once(folder: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_dataset(source)

    def fill(*args: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(cache, "fill", fill)
    assert_equal(open_dataset(source), first)


def test_each_shuffle_has_its_file(folder: Path, source: str) -> None:
    open_dataset(source, 1)
    open_dataset(source, None)
    assert len(list(folder.iterdir())) == 2


def flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut in the first line": lambda content: content[:40],
    "cut in the header": lambda content: content[:200],
    "last byte lost": lambda content: content[:-1],
    "a byte more": lambda content: content + b"\0",
    "zeros at the end": lambda content: content[:-4096] + bytes(4096),
    "a bit of a token": lambda content: flip(content, 2000),
    "a bit of the header": lambda content: flip(content, 130),
    "a bit of the digest": lambda content: flip(content, 30),
    "foreign": lambda _: b"something else entirely\n" * 100,
    "newer": lambda content: content.replace(b"tokens 1", b"tokens 2", 1),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_built_again(
    folder: Path,
    source: str,
    damage: Callable[[bytes], bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    open_dataset(source)
    file = built(folder)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert file.read_bytes() != whole
    assert_equal(open_dataset(source), in_memory(source))
    line = f"handgrad: {file} is damaged: discarded, and built again\n"
    assert capsys.readouterr().err == line
    assert built(folder).read_bytes() == whole


def test_a_file_of_another_data_set_is_built_again(
    tmp_path: Path, folder: Path, source: str
) -> None:
    """A complete file under the name of another data set."""
    other = tmp_path / "other.txt"
    other.write_text("emma\nava\n", encoding="utf-8")
    open_dataset(str(other))
    foreign = built(folder).read_bytes()
    expected = in_memory(source)
    (folder / f"{expected.fingerprint}.tokens").write_bytes(foreign)
    assert_equal(open_dataset(source), expected)


def test_a_file_of_another_shuffle_is_built_again(folder: Path, source: str) -> None:
    """Same words, sizes and types: only the fingerprint within the file differs."""
    open_dataset(source, None)
    expected = in_memory(source)
    built(folder).rename(folder / f"{expected.fingerprint}.tokens")
    assert_equal(open_dataset(source), expected)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_build_leaves_nothing(
    folder: Path,
    source: str,
    monkeypatch: pytest.MonkeyPatch,
    interruption: type[BaseException],
) -> None:
    def fill(tokens: np.ndarray, *args: object) -> None:
        tokens[: len(tokens) // 2] = 1
        raise interruption

    with monkeypatch.context() as patch:
        patch.setattr(cache, "fill", fill)
        with pytest.raises(interruption):
            open_dataset(source)
    assert list(folder.iterdir()) == []
    assert_equal(open_dataset(source), in_memory(source))


KILLED = """
import os, sys
from handgrad.data import cache, dataset
def fill(tokens, *args):
    tokens[: len(tokens) // 2] = 1
    tokens.flush()
    os.kill(os.getpid(), 9)
cache.fill = fill
dataset.LARGE_BYTES = 0
dataset.open_dataset(sys.argv[1])
"""


def test_a_killed_build_is_not_complete(folder: Path, source: str) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, source]).returncode == -9
    assert_equal(open_dataset(source), in_memory(source))
    assert sum(not file.name.startswith(".") for file in folder.iterdir()) == 1


def test_a_full_disk(folder: Path, source: str) -> None:
    """A limit on file sizes replaces the full disk: the same write fails in the same way."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(DataError) as caught:
            open_dataset(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(caught.value) == (
        f"{folder}: cannot write to this cache folder: File too large."
        " Set HANDGRAD_CACHE to a writable folder with free space."
    )
    assert list(folder.iterdir()) == []


def test_a_cache_that_is_not_a_folder(
    tmp_path: Path, source: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANDGRAD_CACHE", source)
    with pytest.raises(DataError) as caught:
        open_dataset(source)
    assert str(caught.value) == (
        f"{source}: cannot write to this cache folder: File exists."
        " Set HANDGRAD_CACHE to a writable folder with free space."
    )


def test_a_read_only_folder(folder: Path, source: str) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        pytest.skip("the superuser may write to any folder")
    with pytest.raises(DataError) as caught:
        open_dataset(source)
    assert str(caught.value) == (
        f"{folder}: cannot write to this cache folder: Permission denied."
        " Set HANDGRAD_CACHE to a writable folder with free space."
    )


def test_a_file_that_changes_leaves_nothing(
    folder: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrange = cache.arrange

    def meddle(lengths: np.ndarray, seed: int | None) -> object:
        Path(source).write_text("emma\nava\n", encoding="utf-8")
        return arrange(lengths, seed)

    monkeypatch.setattr(cache, "arrange", meddle)
    with pytest.raises(DataError) as caught:
        open_dataset(source)
    assert str(caught.value) == (
        f"{source}: changed while it was read. Try again when it is complete."
    )
    assert list(folder.iterdir()) == []


def test_the_splits_are_those_of_the_words(folder: Path, source: str) -> None:
    """By the lecture's rule on 3,000 words."""
    dataset = open_dataset(source)
    assert [dataset.n_words(split) for split in SPLITS] == [2400, 300, 300]
