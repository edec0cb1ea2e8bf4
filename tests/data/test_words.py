"""Words files of many kinds: what is accepted, and one line for each error."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handgrad.data import words as module
from handgrad.data.words import LINE_LIMIT, read_words
from handgrad.errors import DataError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "words.txt"


@pytest.mark.parametrize(
    "content",
    [
        b"emma\nava\n",
        b"emma\nava",
        b"emma\r\nava\r\n",
        b"\xef\xbb\xbfemma\nava\n",
        b"\n\n  emma \t\n\r\n   \nava\n\n",
    ],
    ids=["plain", "no last newline", "crlf", "byte order mark", "blanks"],
)
def test_accepted_files(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert list(read_words(file)) == ["emma", "ava"]


def test_only_a_newline_ends_a_line(file: Path) -> None:
    """U+2028 splits str.splitlines but is an ordinary symbol here; so are tab and space."""
    file.write_text("a\u2028b\nNew York\na\tb\n", encoding="utf-8")
    assert list(read_words(file)) == ["a\u2028b", "New York", "a\tb"]


@pytest.mark.parametrize("block", [2, module.BLOCK_BYTES])
def test_a_byte_order_mark_counts_only_at_the_start(
    file: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", block)
    file.write_bytes(b"a\n\xef\xbb\xbfb\n")
    assert list(read_words(file)) == ["a", "\ufeffb"]


WORDS = st.lists(
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1)
    .map(str.strip)
    .filter(bool)
    .filter(lambda word: not word.startswith("\ufeff"))  # would be a byte order mark on line 1
)


@given(words=WORDS, block=st.integers(1, 50), newline=st.sampled_from(["\n", "\r\n", "\n \n"]))
def test_blocks_do_not_change_the_words(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], block: int, newline: str
) -> None:
    file = tmp_path_factory.mktemp("words") / "words.txt"
    file.write_bytes(newline.join(words).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block)
        assert list(read_words(file)) == words


ROTTEN = {
    "NUL": (b"ok\nab\0c\n", "2: looks binary (NUL byte). Use UTF-8 text with one item per line."),
    "latin-1": (
        "ok\nok\nandr\u00e9\n".encode("latin-1"),
        "3: byte 5, 0xE9, is not UTF-8. Save the file as UTF-8.",
    ),
    "cut character": (
        "ok\né".encode()[:-1],
        "2: byte 1, 0xC3, is not UTF-8. Save the file as UTF-8.",
    ),
    "surrogate": (
        b"ok\na\xed\xa0\x80\n",
        "2: byte 2, 0xED, is not UTF-8. Save the file as UTF-8.",
    ),
    "UTF-16": (
        "emma\n".encode("utf-16"),
        "1: the byte order mark is that of UTF-16. Save the file as UTF-8.",
    ),
    "UTF-16 BE": (
        b"\xfe\xff" + "emma\n".encode("utf-16-be"),
        "1: the byte order mark is that of UTF-16. Save the file as UTF-8.",
    ),
    "UTF-32": (
        "emma\n".encode("utf-32"),
        "1: the byte order mark is that of UTF-32. Save the file as UTF-8.",
    ),
    "escape": (
        b"ok\r\n\na\x1b[31mb\n",
        "3: control character U+001B. Remove it, or end lines with \\n.",
    ),
    "old Mac": (b"a\rb\rc\r", "1: control character U+000D. Remove it, or end lines with \\n."),
    "next line": (
        "ok\né\na\u0085b".encode(),
        "3: control character U+0085. Remove it, or end lines with \\n.",
    ),
    "delete": (b"a\nb\x7f\n", "2: control character U+007F. Remove it, or end lines with \\n."),
    "long": (
        b"ok\n" + b"x" * (LINE_LIMIT + 1) + b"\nok\n",
        "2: longer than 10,000 characters. Put one item on each line.",
    ),
    "endless": (
        b"ok\nok\n" + "é".encode() * 3_000_000,
        "3: longer than 10,000 characters. Put one item on each line.",
    ),
}


@pytest.mark.parametrize("block", [64, module.BLOCK_BYTES])
@pytest.mark.parametrize(("content", "said"), ROTTEN.values(), ids=ROTTEN)
def test_invalid_lines(
    file: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, said: str, block: int
) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", block)
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(read_words(file))
    assert str(caught.value) == f"{file}:{said}"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_longest_line(file: Path, end: str) -> None:
    longest = "\N{GRINNING FACE}" * LINE_LIMIT  # four bytes each, the most that UTF-8 takes
    file.write_bytes(f"{longest}{end}".encode())
    assert list(read_words(file)) == [longest]


def test_the_line_number_counts_over_blocks(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", 10)
    file.write_bytes(b"ab\r\n\n" * 100 + b"\xff\n")
    with pytest.raises(DataError) as caught:
        list(read_words(file))
    assert str(caught.value) == f"{file}:201: byte 1, 0xFF, is not UTF-8. Save the file as UTF-8."


def test_missing(file: Path) -> None:
    with pytest.raises(DataError) as caught:
        list(read_words(file))
    assert str(caught.value) == (
        f"{file}: no such file. Check the path, or use a named data set: names, makemore."
    )


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        list(read_words(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}: is a folder. Use a text file with one item per line."
    )


def test_a_pipe(file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(DataError) as caught:
        list(read_words(file))
    assert str(caught.value) == (
        f"{file}: not a regular file. Save its content to a file and use that."
    )


def test_permission_denied(file: Path) -> None:
    file.write_text("emma\nava\n", encoding="utf-8")
    file.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # the superuser is denied nothing, so be nobody for a moment
    try:
        with pytest.raises(DataError) as caught:
            list(read_words(file))
    finally:
        os.seteuid(user)
        file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert str(caught.value) == (
        f"{file}: permission denied. Make the file and its folder readable."
    )


def test_any_other_read_error(file: Path) -> None:
    beyond = file / "word.txt"
    file.write_text("emma\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        list(read_words(beyond))
    assert str(caught.value) == (
        f"{beyond}: cannot be read: Not a directory. Copy it elsewhere and try again."
    )
