"""Files that are complete or absent: written under a temporary name, synced, renamed."""

import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handgrad.errors import RunError


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


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically. Raises RunError as `write_atomic` does."""
    write_atomic(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def finite_or_none(number: float | None) -> float | None:
    """Return `number`, or None if it is infinite or NaN, which JSON cannot express."""
    return number if number is not None and math.isfinite(number) else None


def report_json(target: str, content: Any) -> None:
    """Write the JSON of `--json FILE|-`: to standard output for `-`, else to the file."""
    if target == "-":
        sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
    else:
        write_json(Path(target), content)
