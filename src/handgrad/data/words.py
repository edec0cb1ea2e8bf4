"""Lines of text as words: read in blocks of whole lines, validated before use.

A words file is UTF-8 text, one item per line. A byte order mark, `\\r\\n` and blank lines are
allowed; items are stripped. Control characters other than tab (also a single `\\r`) are errors:
they would become symbols that control a terminal. There is no Unicode normalisation: a letter and
its decomposed form are different symbols.
"""

import codecs
import re
import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from handgrad.errors import DataError

LINE_LIMIT = 10_000
"""Maximum characters per line; a longer line means that the file is not one item per line."""
BLOCK_BYTES = 1 << 18
"""Bytes read at once: enough to make the cost per block negligible, too few to need much memory."""

LINE_END = b"\n"
UTF8_WIDTH = 4  # maximum bytes per character in UTF-8
BYTE_ORDER_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
C0_CONTROLS = bytes([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")


def read_words(path: Path) -> Iterator[str]:
    """Yield the words of `path` in file order. Raises DataError as `read_blocks` does."""
    return chain.from_iterable(read_blocks(path))


def read_blocks(path: Path) -> Iterator[list[str]]:
    """Yield the words of `path` in lists of about one block; memory does not grow with the file.

    Raises DataError, with the line number where there is one, for: no such file, a folder, not a
    regular file, permission denied, a read error, NUL bytes, UTF-16, bytes that are not UTF-8,
    control characters, a line longer than LINE_LIMIT.
    """
    line = 1
    try:
        with _open_regular(path) as file:
            for raw in _whole_lines(file):
                content = _without_byte_order_mark(path, raw) if line == 1 else raw
                yield _words_of(path, line, content)
                line += raw.count(LINE_END)
    except OSError as error:
        raise DataError(_unreadable(path, error)) from error


def _open_regular(path: Path) -> BinaryIO:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError
    if not stat.S_ISREG(mode):  # a pipe cannot be read twice, and blocks if nobody writes
        raise DataError(f"{path}: not a regular file. Save its content to a file and use that.")
    return path.open("rb")


def _unreadable(path: Path, error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return (
                f"{path}: no such file. Check the path, or use a named data set: names, makemore."
            )
        case IsADirectoryError():
            return f"{path}: is a folder. Use a text file with one item per line."
        case PermissionError():
            return f"{path}: permission denied. Make the file and its folder readable."
        case _:
            return f"{path}: cannot be read: {error.strerror}. Copy it elsewhere and try again."


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield blocks that end with a line end, except the last block and one that is too long."""
    rest = b""
    while piece := file.read(BLOCK_BYTES):
        end = piece.rfind(LINE_END) + 1
        if end:
            yield rest + piece[:end]
            rest = piece[end:]
        else:
            rest += piece
            if _surely_too_long(rest):
                break
    if rest:
        yield rest


def _surely_too_long(raw: bytes) -> bool:
    """Return whether `raw`, one line, is too long even at UTF8_WIDTH bytes per character."""
    return len(raw) > UTF8_WIDTH * (LINE_LIMIT + 1)


def _without_byte_order_mark(path: Path, raw: bytes) -> bytes:
    for mark, encoding in BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            raise DataError(
                f"{path}:1: the byte order mark is that of {encoding}. Save the file as UTF-8."
            )
    return raw.removeprefix(codecs.BOM_UTF8)


def _words_of(path: Path, line: int, raw: bytes) -> list[str]:
    """Return the words of `raw`, whose first line is number `line`. Raises DataError."""
    if (at := raw.find(b"\0")) >= 0:
        where = f"{path}:{line + raw[:at].count(LINE_END)}"
        raise DataError(f"{where}: looks binary (NUL byte). Use UTF-8 text with one item per line.")
    if LINE_END not in raw and _surely_too_long(raw):  # cut anywhere, so it may not decode
        raise DataError(_too_long(path, line))
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise DataError(_not_utf8(path, line, raw, error.start)) from error
    if _may_hold_controls(raw) and (control := CONTROL.search(text)):
        before = text[: control.start()].encode()
        where = f"{path}:{line + before.count(LINE_END)}"
        code = f"U+{ord(control[0]):04X}"
        raise DataError(f"{where}: control character {code}. Remove it, or end lines with \\n.")
    lines = text.replace("\r\n", "\n").split("\n")
    if max(map(len, lines)) > LINE_LIMIT:
        excess = next(i for i, content in enumerate(lines) if len(content) > LINE_LIMIT)
        raise DataError(_too_long(path, line + excess))
    return [word for content in lines if (word := content.strip())]


def _may_hold_controls(raw: bytes) -> bool:
    """Pre-filter at memory speed, so that CONTROL's slow search runs only on rare blocks."""
    return (
        len(raw.translate(None, C0_CONTROLS)) != len(raw)
        or raw.count(b"\r") != raw.count(b"\r\n")
        or b"\xc2" in raw  # leads U+0080 to U+00BF; the lower half are controls
    )


def _too_long(path: Path, line: int) -> str:
    return f"{path}:{line}: longer than {LINE_LIMIT:,} characters. Put one item on each line."


def _not_utf8(path: Path, line: int, raw: bytes, at: int) -> str:
    before = raw[:at]
    where = f"{path}:{line + before.count(LINE_END)}"
    number = at - before.rfind(LINE_END)
    return f"{where}: byte {number}, 0x{raw[at]:02X}, is not UTF-8. Save the file as UTF-8."
