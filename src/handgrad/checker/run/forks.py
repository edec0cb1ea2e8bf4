"""A server process that has imported the checker and forks a child for each of several files.

A fresh child spends about two seconds of CPU time on importing torch; a forked one starts with all
imports done and shares their memory. The server only imports what a fresh child would import for
the same kind of file. It computes nothing and forks only while it has a single thread, so no OpenMP
or autograd thread pool is ever cut off by a fork. Where it cannot fork, the caller starts a fresh
child instead.

For each child the parent sends four descriptors over a socket: its standard input, its standard
output, its pipe of events, and a pipe for the server's two lines about it: the process id, then the
exit status as subprocess.Popen gives it.
"""

import gc
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

SERVE = "--serve"
AVAILABLE = sys.platform == "linux"
"""macOS has frameworks that do not survive a fork, and no /proc to count threads in."""
STARTUP = 120.0  # seconds for the server's imports, on a slow disk
POLL = 0.02  # seconds between two looks at which children have ended
THREADS = Path("/proc/self/task")


class ForkedChild:
    """A child of the server, with the part of subprocess.Popen's interface that Child uses."""

    def __init__(self, stdin: BinaryIO, stdout: BinaryIO, status: BinaryIO, pid: int) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.pid = pid
        self._status = status
        self._returncode: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Return the exit status, or None while the child lives."""
        return self.wait(0.0)

    def wait(self, timeout: float | None = None) -> int | None:
        """Return the exit status, or None if the child still lives after `timeout` seconds."""
        with self._lock:
            if self._returncode is None and _readable(self._status, timeout):
                # no line: the server, which alone knows the status, was killed
                self._returncode = int(self._status.readline() or -signal.SIGKILL)
                self._status.close()
            return self._returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the child has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the child, unless it has ended."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """A running server for files of one kind. `close` ends it; its children live on."""

    def __init__(self, command: Sequence[str], kind: str, environment: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [*command, SERVE, str(theirs.fileno()), kind],
                stdin=subprocess.PIPE,  # pipes, as a fresh child has them
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a Ctrl-C is for the parent to handle
                env=environment,
            )

    def fork(self, events: int, stop: threading.Event) -> ForkedChild | None:
        """Return a new child that writes its events to `events`.

        Waits until the server has done its imports. None: it cannot fork, or `stop` is set.
        """
        (stdin, to_child), (from_child, stdout), (our_status, status) = (
            os.pipe() for _ in range(3)
        )
        with self._lock, suppress(OSError):  # a dead server shows as the end of status_file
            socket.send_fds(self._socket, [b"f"], [stdin, stdout, events, status])
        for descriptor in (stdin, stdout, status):
            os.close(descriptor)
        streams = os.fdopen(to_child, "wb"), os.fdopen(from_child, "rb")
        status_file = os.fdopen(our_status, "rb", 0)
        end = time.monotonic() + STARTUP
        while not stop.is_set() and time.monotonic() < end:
            if _readable(status_file, 0.1):
                pid = status_file.readline()
                if pid:
                    return ForkedChild(*streams, status_file, int(pid))
                break
        for file in (*streams, status_file):
            file.close()  # a child that is forked later finds no request and ends
        return None

    def close(self) -> None:
        """End the server."""
        self._socket.close()
        self._process.kill()
        self._process.communicate()


def _readable(file: BinaryIO, timeout: float | None) -> bool:
    poll = select.poll()  # unlike select.select, for descriptors beyond 1024 as well
    poll.register(file, select.POLLIN)
    return bool(poll.poll(None if timeout is None else timeout * 1000))


def serve(descriptor: int, kind: str) -> int:
    """Fork children until the parent is gone; return, in each child, its descriptor of events."""
    import handgrad.checker.run.check_task
    import handgrad.checker.run.work

    if kind == "script":
        import handgrad.checker.run.script
    else:
        import handgrad.checker.run.shell  # noqa: F401
    gc.collect()
    gc.freeze()  # a collection in a child must not write to the pages that it shares
    connection = socket.socket(fileno=descriptor)
    running: dict[int, int] = {}
    while True:
        if select.select([connection], [], [], POLL if running else None)[0]:
            message, given, _, _ = socket.recv_fds(connection, 1, 4)
            if not message:
                os._exit(0)
            events = _forked(given, running)
            if events is not None:
                connection.close()
                return events
        _report(running)


def _forked(given: list[int], running: dict[int, int]) -> int | None:
    """Fork: return the descriptor of events in the child, None in the server."""
    stdin, stdout, events, status = given
    single = len(list(THREADS.iterdir())) == 1
    pid = os.fork() if single else -1
    if pid == 0:
        os.setsid()
        for theirs, standard in ((stdin, 0), (stdout, 1), (stdout, 2)):
            os.dup2(theirs, standard)
        for descriptor in (stdin, stdout, status, *running.values()):
            os.close(descriptor)
        numpy_random = sys.modules.get("numpy.random")
        if numpy_random is not None:  # `random` reseeds itself after a fork
            numpy_random.seed()
        return events
    for descriptor in (stdin, stdout, events):
        os.close(descriptor)
    if pid > 0:
        running[pid] = status
        _write_line(status, pid)
    else:
        os.close(status)
    return None


def _report(running: dict[int, int]) -> None:
    """Write the exit status of each child that has ended to its pipe."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        descriptor = running.pop(pid)
        _write_line(descriptor, os.waitstatus_to_exitcode(status))
        os.close(descriptor)


def _write_line(descriptor: int, number: int) -> None:
    with suppress(BrokenPipeError):  # the parent has stopped listening
        os.write(descriptor, b"%d\n" % number)
