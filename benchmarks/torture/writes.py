"""Every moment at which training writes: where a process can be killed, or the power fail.

Functions that write are replaced, in a forked process, by ones that call `event` before, halfway
and after. What a disk holds after a power failure is less than what programs see: data counts from
its fsync on, a name from the fsync of its folder on.
"""

import builtins
import os
import pickle
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.numpy

from handgrad.training import metrics

Event = Callable[[], None]


def hook(event: Event, synced: Callable[[int], None] = lambda inode: None) -> None:
    """Replace what writes; `synced` receives the inode of what has been synced."""
    write_bytes, replace, fsync, unlink = Path.write_bytes, os.replace, os.fsync, Path.unlink
    save_file, mkdir = safetensors.numpy.save_file, Path.mkdir

    def torn_bytes(self: Path, data: bytes) -> int:
        event()
        write_bytes(self, data[: len(data) // 2])
        event()
        return write_bytes(self, data)

    def torn_save(tensors: Any, path: Path, metadata: Any) -> None:
        event()
        save_file(tensors, path, metadata)
        whole = Path(path).read_bytes()
        write_bytes(Path(path), whole[: len(whole) // 2])
        event()
        write_bytes(Path(path), whole)

    def synced_after(descriptor: int) -> None:
        event()
        fsync(descriptor)
        synced(os.fstat(descriptor).st_ino)

    def around(function: Any) -> Any:
        def called(*arguments: Any, **options: Any) -> Any:
            event()
            return function(*arguments, **options)

        return called

    Path.write_bytes = torn_bytes  # type: ignore[method-assign, assignment]
    safetensors.numpy.save_file = torn_save  # type: ignore[assignment]
    os.fsync = synced_after  # type: ignore[assignment]
    os.replace = around(replace)
    Path.unlink = around(unlink)  # type: ignore[method-assign]
    Path.mkdir = around(mkdir)  # type: ignore[method-assign]
    metrics.open = lambda path, mode: _Torn(path, mode, event)  # type: ignore[attr-defined]


class _Torn:
    """A file whose writes are torn in two."""

    def __init__(self, path: Path, mode: str, event: Event) -> None:
        self._file, self._event = builtins.open(path, mode), event  # noqa: SIM115

    def write(self, data: bytes) -> None:
        for part in (data[: len(data) // 2], data[len(data) // 2 :]):
            self._event()
            self._file.write(part)
            self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_Torn":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


def killing(at: int) -> Callable[[], None]:
    """Return what kills the process at event `at`, from 1 on; 0 never does."""
    seen = 0

    def event() -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    return lambda: hook(event)


@dataclass
class Moment:
    """A folder between two writes: what programs see, and what is on the disk for certain."""

    names: dict[str, int]
    data: dict[int, bytes]
    safe_names: dict[str, int] = field(default_factory=dict)
    safe_data: dict[int, bytes] = field(default_factory=dict)

    def states(self, seed: int) -> Iterator[tuple[str, dict[str, bytes]]]:
        """Yield what the folder may hold after a power failure, and in a word how."""
        draw = random.Random(seed)
        yield "lost", {name: self.safe_data.get(i, b"") for name, i in self.names.items()}
        yield "old names", {name: self.safe_data.get(i, b"") for name, i in self.safe_names.items()}
        yield "half", {name: self._half(i) for name, i in self.names.items()}
        for _ in range(2):
            mixed = {}
            for name in sorted({*self.names, *self.safe_names}):
                inode = draw.choice([self.names.get(name), self.safe_names.get(name)])
                if inode is not None:
                    ways = [self.safe_data.get(inode, b""), self._half(inode)]
                    mixed[name] = draw.choice([*ways, self.data.get(inode, ways[0])])
            yield "mixed", {n: self.safe_data.get(self._inode(n), v) for n, v in mixed.items()}

    def _half(self, inode: int) -> bytes:
        seen = self.data.get(inode, b"")
        return self.safe_data.get(inode, seen[: len(seen) // 2])

    def _inode(self, name: str) -> int:
        same = self.names.get(name) == self.safe_names.get(name)
        return self.names.get(name, -1) if same else -1


def recording(folder: Path, log: Path) -> Callable[[], None]:
    """Return what writes the moments of `folder` to `log`, pickled, one at each event."""
    safe_names: dict[str, int] = {}
    safe_data: dict[int, bytes] = {}
    held: dict[int, int] = {}
    log.write_bytes(b"")

    def seen() -> tuple[dict[str, int], dict[int, bytes]]:
        entries = list(os.scandir(folder)) if folder.is_dir() else []
        for entry in entries:
            if entry.inode() not in held:  # open, so that no later file gets its number
                held[entry.inode()] = os.open(entry.path, os.O_RDONLY)
        names = {entry.name: entry.inode() for entry in entries}
        return names, {entry.inode(): Path(entry.path).read_bytes() for entry in entries}

    def event() -> None:
        moment = Moment(*seen(), dict(safe_names), dict(safe_data))
        with builtins.open(log, "ab") as file:
            pickle.dump(moment, file)

    def synced(inode: int) -> None:
        names, data = seen()
        if folder.is_dir() and inode == folder.stat().st_ino:
            safe_names.clear()
            safe_names.update(names)
        elif inode in data:
            safe_data[inode] = data[inode]

    return lambda: hook(event, synced)


def moments(log: Path) -> Iterator[Moment]:
    """Yield what `recording` has written."""
    with builtins.open(log, "rb") as file:
        while True:
            try:
                yield pickle.load(file)
            except EOFError:
                return
