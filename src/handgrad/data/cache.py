"""Token files: the tokens of a large words file, encoded once and then mapped read-only.

A file is named by the data's fingerprint and contains

    handgrad tokens 1 <SHA-256 of all that follows, 64 hexadecimal digits>\\n
    {"fingerprint": "...", "splits": {...}}     JSON, padded with spaces to HEADER_BYTES
    tokens

It is written under a temporary name, synced, and renamed when complete. The digest is checked at
every opening; a damaged or truncated file is built again, and a line says so.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from handgrad.data.encode import Survey, arrange, fill
from handgrad.data.sources import cache_folder, cannot_write
from handgrad.errors import DataError
from handgrad.files import notice, sync

MAGIC = b"handgrad tokens 1 "
DIGEST_END = len(MAGIC) + 64 + 1
HEADER_BYTES = 512  # numbers have at most 20 digits each, so this suffices
PIECE_BYTES = 1 << 20  # written or read at once

Splits = dict[str, tuple[int, int]]


def open_tokens(
    path: Path, surveyed: Survey, shuffle_seed: int | None
) -> tuple[np.ndarray, Splits]:
    """Return the tokens of `path`, mapped read-only (N,), and their splits; build it if needed.

    Raises DataError if the cache folder is read-only or full, or if `path` changes meanwhile.
    """
    folder = cache_folder()
    token_file = folder / f"{surveyed.fingerprint}.tokens"
    opened = _open_whole(token_file, surveyed)
    if opened is None:
        if token_file.exists():
            notice(f"{token_file} is damaged: discarded, and built again")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _build(token_file, path, surveyed, shuffle_seed)
        except OSError as error:
            raise DataError(cannot_write(folder, error)) from error
        opened = _open_whole(token_file, surveyed)
    if opened is None:
        raise DataError(f"{token_file}: damaged just after it was written. Check the disk.")
    return opened


def _open_whole(token_file: Path, surveyed: Survey) -> tuple[np.ndarray, Splits] | None:
    """Return the tokens and splits; None if the file is absent, damaged or of other data."""
    if not token_file.is_file():  # a pipe would block
        return None
    try:
        with token_file.open("rb") as file:
            head = file.read(DIGEST_END)
            if head != MAGIC + _digest(file).encode() + b"\n":
                return None
            file.seek(DIGEST_END)
            header: dict[str, Any] = json.loads(file.read(HEADER_BYTES - DIGEST_END))
    except OSError:
        return None
    if header["fingerprint"] != surveyed.fingerprint:  # complete, but renamed
        return None
    shape = (surveyed.n_tokens,)
    mapped = np.memmap(token_file, surveyed.vocabulary.dtype, "r", HEADER_BYTES, shape)
    splits = {split: (start, end) for split, (start, end) in header["splits"].items()}
    return np.asarray(mapped), splits  # a plain array over the map is faster to index


def _build(token_file: Path, path: Path, surveyed: Survey, shuffle_seed: int | None) -> None:
    descriptor, name = tempfile.mkstemp(dir=token_file.parent, prefix=f".{token_file.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "r+b") as file:
            _write(file, temporary, path, surveyed, shuffle_seed)
        os.replace(temporary, token_file)
        sync(token_file.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _write(
    file: BinaryIO, temporary: Path, path: Path, surveyed: Survey, shuffle_seed: int | None
) -> None:
    """Fill `file`, open at `temporary`; its first line, which marks it as complete, comes last."""
    starts, splits = arrange(surveyed.lengths, shuffle_seed)
    dtype = surveyed.vocabulary.dtype
    header = {"fingerprint": surveyed.fingerprint, "splits": splits}
    text = json.dumps(header).encode()
    file.write(bytes(DIGEST_END) + text.ljust(HEADER_BYTES - DIGEST_END))
    _reserve(file, surveyed.n_tokens * dtype.itemsize)
    tokens = np.memmap(temporary, dtype, "r+", HEADER_BYTES, (surveyed.n_tokens,))
    fill(tokens, path, surveyed, starts, shuffle_seed)
    tokens.flush()
    file.seek(DIGEST_END)
    digest = _digest(file)
    file.seek(0)
    file.write(MAGIC + digest.encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _reserve(file: BinaryIO, n_bytes: int) -> None:
    """Write `n_bytes` zeros.

    A full disk then raises an error here. In a sparse file, writing to a mapped page would kill the
    process (SIGBUS).
    """
    for first in range(0, n_bytes, PIECE_BYTES):
        file.write(bytes(min(PIECE_BYTES, n_bytes - first)))
    file.flush()


def _digest(file: BinaryIO) -> str:
    """Return the SHA-256 of `file` from its current position to its end."""
    digest = hashlib.sha256()
    while piece := file.read(PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()
