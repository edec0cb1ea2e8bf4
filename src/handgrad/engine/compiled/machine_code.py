"""Machine code on disk: one file per function, argument types and CPU, checked when it is loaded.

numba's own cache believes what it finds: a file that a power failure has truncated ends the
process, and a flipped bit runs. Here each file is sealed with a digest of its name and content
(`handgrad.files.sealed`). What does not match is discarded, with one line, and compiled again.
"""

import hashlib
import pickle
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.serialize import dumps

from handgrad.errors import HandgradError
from handgrad.files import notice, read_regular, sealed, unsealed, write_atomic

STALE = 3600
"""Seconds after which a temporary file belongs to a process that was killed."""


class MachineCode:
    """The cache of one function: numba calls `load_overload` and `save_overload`.

    `digests` are those of the machine code that this process runs, by its key: a digest of the
    argument types. Code that was compiled here and could not be saved has none.
    """

    def __init__(self, folder: Path, stem: str) -> None:
        self.cache_path = str(folder)
        self.digests: dict[str, str] = {}
        self._folder, self._stem = folder, stem
        self._loaded: dict[str, Any] = {}

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Return the machine code for these types, or None."""
        return self.load(_short(repr(signature)))

    def load(self, key: str) -> Any:
        """Return the machine code of `key`, or None; it is read and checked once."""
        if key not in self._loaded:
            path = self._path(key)
            content = read_sealed(path, "compiled again")
            if content is None:
                return None
            cpu_target.target_context.refresh()
            try:
                parts = pickle.loads(content)
                code = CompileResult._rebuild(cpu_target.target_context, *parts)
            except Exception:  # whole, but of no use here: numba may raise anything
                _discard(path, "compiled again")
                return None
            self._loaded[key] = code
            self.digests[key] = hashlib.sha256(content).hexdigest()
        return self._loaded[key]

    def save_overload(self, signature: Any, code: Any) -> None:
        """Save machine code for later processes; if that fails, say so and go on."""
        if code.library.has_dynamic_globals or any(not lifted.can_cache for lifted in code.lifted):
            return
        key = _short(repr(signature))
        path = self._path(key)
        content = dumps(code._reduce())
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _tidy(self._folder)
            write_atomic(path, sealed(path.name, content))
        except (OSError, HandgradError) as error:
            reason = getattr(error, "strerror", None) or f"{error}".rpartition(": ")[2]
            notice(
                f"compiled kernels are not kept: cannot write to {self._folder}: {reason}; "
                "set HANDGRAD_CACHE to a writable folder with free space"
            )
            return
        self.digests[key] = hashlib.sha256(content).hexdigest()

    def exists(self) -> bool:
        """Return whether machine code for this CPU is on disk; discard what is damaged."""
        files = sorted(self._folder.glob(f"{self._stem}.{_cpu()}.*.nbc"))
        return any(read_sealed(path, "compiled again") is not None for path in files)

    def flush(self) -> None:
        """Do nothing: numba calls it to recompile."""

    def _path(self, key: str) -> Path:
        return self._folder / f"{self._stem}.{_cpu()}.{key}.nbc"


def read_sealed(path: Path, then: str) -> bytes | None:
    """Return the content of a sealed file; discard a damaged one and say what happens `then`."""
    try:
        content = unsealed(path.name, read_regular(path))
    except FileNotFoundError:
        return None
    except OSError:
        content = None
    if content is None:
        _discard(path, then)
    return content


def _discard(path: Path, then: str) -> None:
    with suppress(OSError):
        path.unlink()
    notice(f"{path} is damaged: discarded, and {then}")


def _tidy(folder: Path) -> None:
    """Delete the temporary files of processes that were killed while writing."""
    for path in folder.glob(".*.*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE:
                path.unlink()


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _cpu() -> str:
    """Return a short digest of the CPU that numba compiles for."""
    return _short(repr(cpu_target.target_context.codegen().magic_tuple()))[:8]
