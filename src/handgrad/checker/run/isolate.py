"""What stands between a checked file and the machine, seen from the child: done before it runs.

The process that was started becomes the keeper: it starts a second process, which runs the file,
waits for it, and ends whatever the file started. With a sandbox it first enters the namespaces that
bubblewrap made (sandbox.py), so that the second process lives in them. No code of the file's has
run at that point, and nothing of torch's either where the process is not a fork.
"""

import ctypes
import os
import resource
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from handgrad.checker.run.limits import KEEPS

NAMESPACES = 0x10000000 | 0x20000 | 0x20000000 | 0x40000000 | 0x8000000 | 0x4000000 | 0x2000000
"""User, mount, PID, network, IPC, UTS and cgroup namespaces (linux/sched.h)."""
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
CAPABILITY_VERSION = 0x20080522
MOST_CAPABILITIES = 64
CLEANING = 8.0  # seconds to end all that a file has started


def isolate(request: Mapping[str, Any]) -> None:
    """Return in the process that is to run the file, with the limits and walls of the request."""
    box = request.get("sandbox")
    if not KEEPS:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if box is None:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    else:
        _enter(libc, box)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    child = os.fork()
    if child:
        _keep(child, sweeps=box is None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setsid()
    if box is not None:
        _drop_capabilities(libc)
        os.environ.update(box["environment"])
    for name, most in request.get("limits", {}).items():
        _limit(getattr(resource, name), most)


def _enter(libc: ctypes.CDLL, box: Mapping[str, Any]) -> None:
    """Join the sandbox's namespaces, and fill its copy of the folder."""
    source = os.open(box["folder"], os.O_RDONLY | os.O_DIRECTORY)
    holder = os.pidfd_open(box["pid"])
    if libc.setns(holder, NAMESPACES):
        raise OSError(ctypes.get_errno(), "cannot enter the sandbox")
    os.close(holder)
    for path in box["copied"]:
        _copy(source, path, Path(box["folder"]))
    os.close(source)  # it leads out of the sandbox
    os.makedirs(box["scratch"], exist_ok=True)


def _copy(source: int, path: str, folder: Path) -> None:
    """Copy a file, a link or an empty folder from the descriptor of the original folder."""
    target = folder / path
    with suppress(OSError):  # gone meanwhile, not readable, or no room: the file sees none
        if path.endswith("/"):
            target.mkdir(exist_ok=True)
            return
        try:
            os.symlink(os.readlink(path, dir_fd=source), target)
            return
        except OSError:  # no link
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=source)
        with os.fdopen(descriptor, "rb") as original, open(target, "wb") as copy:
            shutil.copyfileobj(original, copy)
            status = os.fstat(original.fileno())
        os.chmod(target, status.st_mode & 0o777)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Give up what the namespaces' owner may do in them: mounts stay as they are."""
    for number in range(MOST_CAPABILITIES):
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    if libc.capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "cannot drop capabilities")


def _limit(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def _keep(child: int, sweeps: bool) -> NoReturn:
    """Wait for the child, end what it started, and exit as it did."""
    signal.signal(signal.SIGTERM, lambda *_: _end(child))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    status = _waited(child)
    if sweeps:
        _sweep()
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        _limit(resource.RLIMIT_CORE, 0)
        with suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)


def _end(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # ended already, or another user's
        os.kill(pid, signal.SIGKILL)


def _sweep() -> None:
    """End all children, and what they start meanwhile; CLEANING seconds at most.

    A list of children may lack some while others end (proc_pid_children(5)), so an empty one
    proves nothing: only the system's answer to waitpid does.
    """
    end = time.monotonic() + CLEANING
    while time.monotonic() < end:
        for pid in _children():
            _end(pid)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def _waited(child: int) -> int:
    while True:  # orphans of the file's end here as well
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return status


def _children() -> list[int]:
    """Return the children of this process: in the end, also those whose own parent has ended."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return list(map(int, listed.split()))
