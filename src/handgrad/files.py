"""Files that are complete or absent: written under a temporary name, synced, renamed.

Sealed files begin with a digest of their name and content, which is checked when they are read.
"""

import errno
import hashlib
import json
import math
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handgrad.errors import RunError
from handgrad.text import printable


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` to `path`; a crash leaves the old file or the new one, never a part of it.

    Raises RunError, one line, if the folder is read-only or the disk is full.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path whose file becomes `path` at the end, as in `write_atomic`."""
    temporary = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        sync(temporary)
        os.chmod(temporary, 0o644)  # mkstemp sets 0600; other users may read a run folder
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Sync a file, or a rename in a folder, so that it survives a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_regular(path: Path, most: int | None = None) -> bytes:
    """Return the content of a file. Raises OSError if it is no regular file, or over `most` bytes.

    A pipe in the place of a file would block whoever opens it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        if most is not None and status.st_size > most:
            raise OSError(errno.EFBIG, f"it is longer than {most:,} bytes", str(path))
        return file.read()


_SEAL = b"handgrad sealed 1 "
_SEAL_END = len(_SEAL) + 64 + 1


def sealed(name: str, content: bytes) -> bytes:
    """Return `content` with a line before it: a digest of the file's name and the content."""
    return _SEAL + _digest(name, content) + b"\n" + content


def unsealed(name: str, raw: bytes) -> bytes | None:
    """Return the content of a sealed file, or None if it is damaged or has another name."""
    content = raw[_SEAL_END:]
    whole = raw[:_SEAL_END] == _SEAL + _digest(name, content) + b"\n"
    return content if whole else None


def _digest(name: str, content: bytes) -> bytes:
    digest = hashlib.sha256(name.encode(errors="surrogateescape") + b"\n")
    digest.update(content)
    return digest.hexdigest().encode()


def notice(line: str) -> None:
    """Print a line for the user on stderr, beside the results."""
    print(f"handgrad: {printable(line)}", file=sys.stderr, flush=True)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically. Raises RunError as `write_atomic` does."""
    write_atomic(path, (json_text(content, indent=2) + "\n").encode())


_UNSAFE = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def json_text(content: Any, indent: int | None = None) -> str:
    """Return `content` as JSON in which nothing controls a terminal and everything is UTF-8."""
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def finite_or_none(number: float | None) -> float | None:
    """Return `number`, or None if it is infinite or NaN, which JSON cannot express."""
    return number if number is not None and math.isfinite(number) else None


def report_json(target: str, content: Any) -> None:
    """Write the JSON of `--json FILE|-`: to standard output for `-`, else to the file."""
    if target == "-":
        sys.stdout.write(json_text(content) + "\n")
    else:
        write_json(Path(target), content)
