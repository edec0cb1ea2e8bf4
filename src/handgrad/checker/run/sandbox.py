"""bubblewrap around a checked file: namespaces of its own, in which it can see and change little.

The file sees the machine's files, read-only, with an empty /tmp and without the sockets in /run;
a copy of its folder, to which it may write; its own processes; no network. `bwrap` makes these
namespaces and holds them while the child, which has torch imported already, enters them
(isolate.py). When the holder is killed, the kernel ends every process in them.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from glob import glob
from itertools import islice
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Any, Literal, Self

from handgrad.checker.run.limits import KEEPS
from handgrad.errors import SettingsError

BWRAP = "bwrap"
WALLED = "HANDGRAD_SANDBOX"
"""The variable that is set in a sandbox."""
ROOM = 2**30
"""Bytes that a file may write to its copy of the folder, and again to /tmp and /dev/shm."""
LARGEST_COPY, MOST_COPIED, MOST_ENTRIES = 16 * 2**20, 256 * 2**20, 2000
"""What is copied of a folder, in bytes and in entries; the rest is visible and read-only."""
TEMPORARY = ("/tmp", "/var/tmp")
EMPTIED = (*TEMPORARY, "/run")
"""/run has the sockets of the machine's services, such as Docker's."""
DEVICES = ("null", "zero", "full", "random", "urandom")
GRAPHICS = ("/dev/nvidia*", "/dev/dri", "/dev/kfd")
READY = 20.0  # seconds for bwrap to make its namespaces
NOT_GUARANTEED = (
    "without a sandbox ({reason}), a checked file can read and change your files, use the network "
    "and end other processes."
)
LIMITED = (
    " Only its memory, the size of its files and the number of its processes are limited, and what "
    "it leaves running is ended."
)


class Sandbox:
    """Namespaces that bubblewrap holds for one checked file. Leaving the context ends them.

    `hidden` are files that it must not see: the work of others.
    """

    def __init__(self, folder: Path, hidden: Iterable[Path] = ()) -> None:
        self._folder = folder
        hidden = list(hidden)
        own = os.path.realpath(folder)
        copied, bound = (
            ([], []) if own == "/" else _contents(own, {os.path.realpath(path) for path in hidden})
        )
        info, theirs = os.pipe()
        arguments = [BWRAP, *_arguments(folder, bound, hidden), "--info-fd", str(theirs)]
        try:
            self._holder = subprocess.Popen(
                [*arguments, "--", "cat"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs],
            )
        except BaseException:
            os.close(info)
            raise
        finally:
            os.close(theirs)
        self.pid = self._entered(info)
        self._copied = copied

    def _entered(self, info: int) -> int:
        """Return the process id of its first process, once all mounts are in place."""
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        late = threading.Timer(READY, self._holder.kill)
        late.start()
        with suppress(OSError):
            self._holder.stdin.write(b"\n")
            self._holder.stdin.flush()
        is_ready = self._holder.stdout.readline()
        late.cancel()
        said = os.read(info, 2**16) if is_ready else b""
        os.close(info)
        if not is_ready:
            _, error = self._holder.communicate()
            lines = error.decode("utf-8", "replace").strip().split("\n")
            raise SandboxError(lines[-1] or "bwrap did not start")
        return int(json.loads(said)["child-pid"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process in it."""
        self._holder.kill()
        self._holder.communicate()

    def request(self) -> dict[str, Any]:
        """Return what the child must know to enter it."""
        return {
            "pid": self.pid,
            "folder": str(self._folder),
            "copied": self._copied,
            "environment": {"TMPDIR": "/tmp", WALLED: "1"},
        }


class SandboxError(Exception):
    """bubblewrap could not make the namespaces; the message is its own."""


@cache
def unavailable() -> str | None:
    """Return why there is no sandbox on this machine, or None if there is."""
    if not KEEPS or not hasattr(os, "pidfd_open"):
        return "it needs Linux"
    if shutil.which(BWRAP) is None:
        return "bubblewrap is not installed"
    try:
        with Sandbox(Path("/")):
            return None
    except (SandboxError, OSError) as error:
        return f"bubblewrap does not work here: {error}"


def required() -> None:
    """Raise SettingsError if there is no sandbox."""
    reason = unavailable()
    if reason is not None:
        raise SettingsError(f"--sandbox: {reason}; on Debian and Ubuntu: apt install bubblewrap")


def not_guaranteed(sandbox: bool | None) -> str | None:
    """Return the line that says what several files can do without a sandbox; None within one."""
    reason = "--no-sandbox" if sandbox is False else unavailable()
    if reason is None:
        return None
    return NOT_GUARANTEED.format(reason=reason) + (LIMITED if KEEPS else "")


def _arguments(folder: Path, bound: Sequence[str], hidden: Iterable[Path]) -> Iterator[str]:
    yield from ("--unshare-all", "--die-with-parent", "--new-session")
    yield from ("--ro-bind", "/", "/", "--proc", "/proc")
    for path in _of_kernel():
        yield from ("--ro-bind", path, path)
    yield from ("--tmpfs", "/dev")
    graphics = [path for pattern in GRAPHICS for path in glob(pattern)]
    for device in (*(f"/dev/{name}" for name in DEVICES), *graphics):
        yield from ("--dev-bind", device, device)
    yield from ("--symlink", "/proc/self/fd", "/dev/fd", *_emptied("/dev/shm"))
    yield from ("--remount-ro", "/dev", "--tmpfs", "/run")
    for path in TEMPORARY:
        yield from _emptied(path)
    python = list(_python())
    for path in python:
        if _is_within(path, EMPTIED):
            yield from ("--ro-bind", path, path)
    own = os.path.realpath(folder)
    if own not in ("/", *bound):
        yield from _emptied(own)
    if own != str(folder) and _is_within(str(folder), EMPTIED):
        yield from ("--symlink", own, str(folder))
    for path in (*(path for path in python if _is_within(path, [own])), *bound):
        yield from ("--ro-bind", path, path)
    for other in hidden:
        if other.is_file() and not _is_within(os.path.realpath(other), [*EMPTIED, own]):
            yield from ("--ro-bind", "/dev/null", os.path.realpath(other))


def _of_kernel() -> Iterator[str]:
    """Yield what is in /proc besides processes and may be written to: the kernel's own settings.

    A root user may write to them without any capability, in every mount that is not read-only.
    """
    for entry in os.scandir("/proc"):
        is_process = entry.name.isdigit() or entry.is_symlink()
        if not is_process and (entry.is_dir() or entry.stat().st_mode & 0o222):
            yield entry.path


def _emptied(path: str) -> tuple[str, ...]:
    return ("--size", str(ROOM), "--tmpfs", path)


def _python() -> Iterator[str]:
    """Yield the folders that this Python imports from; some may lie below an emptied folder."""
    known = (sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), *sys.path)
    for path in dict.fromkeys(os.path.realpath(path) for path in known if path):
        if os.path.exists(path):
            yield path


def _is_within(path: str, folders: Iterable[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


def _contents(folder: str, hidden: set[str]) -> tuple[list[str], list[str]]:
    """Return what is copied of a folder, relative to it, and what is bound: absolute paths.

    A folder's name ends in a slash. What is neither a file, a link nor a folder is left out. A
    folder that holds too much is bound as a whole, this one too.
    """
    copied: list[str] = []
    bound: list[str] = []
    room, todo = MOST_COPIED, [""]
    while todo:
        here = todo.pop(0)
        path = os.path.join(folder, here)
        most = MOST_ENTRIES - len(copied)
        with os.scandir(path) as listing:
            entries = list(islice((e for e in listing if e.path not in hidden), most + 1))
        if len(entries) > most:
            if not here:
                return [], [folder]
            copied.remove(here)
            bound.append(path.removesuffix("/"))
            continue
        for entry in entries:
            kind = _kind(entry, room)
            if kind == "bound":
                bound.append(entry.path)
            elif kind is not None:
                room -= entry.stat(follow_symlinks=False).st_size
                name = here + entry.name + ("/" if kind == "folder" else "")
                copied.append(name)
                todo += [name] if kind == "folder" else []
    return copied, bound


def _kind(entry: os.DirEntry[str], room: int) -> Literal["file", "folder", "bound"] | None:
    """Return what to do with an entry of a folder; environments and repositories are not copied."""
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    if S_ISLNK(status.st_mode):
        return "file"
    if S_ISREG(status.st_mode):
        return "file" if status.st_size <= min(LARGEST_COPY, room) else "bound"
    if not S_ISDIR(status.st_mode) or not os.access(entry.path, os.R_OK | os.X_OK):
        return None
    is_other = entry.name.startswith(".") or os.path.exists(f"{entry.path}/pyvenv.cfg")
    return "bound" if is_other else "folder"
