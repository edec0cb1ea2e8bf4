"""The child process that runs a checked file: started, listened to, stopped, its death explained.

Parent to child: one line of JSON on standard input, which then stays open as a lifeline: its end
tells the child that the parent is gone. Child to parent: lines of JSON on a pipe of their own,
`{"event": "ready" | "cell" | "grading" | "report" | "refused" | "failed", ...}`. What the file
prints goes through a third pipe and is no part of the answer.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from handgrad.checker.run.forks import AVAILABLE, ForkedChild, ForkServer
from handgrad.checker.run.output import OutputReader

COMMAND = [sys.executable, "-P", "-m", "handgrad.checker.run.child"]
"""-P: a torch.py or json.py beside the checked file must not get into our own imports."""
STARTUP = 120.0  # seconds until the child has imported what it needs, on a slow disk
GRACE = 5.0  # seconds a file has, once its time is up, to leave what it is in
POLL = 0.1  # seconds between looks at whether the child still lives
SHOW_NOTHING = {"MPLBACKEND": "Agg", "PYTHONIOENCODING": "utf-8:backslashreplace"}
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""For a child beside others; torch, MKL and OpenBLAS all heed it. What the user has set counts."""


class Stopped(Exception):
    """Raised to whoever waits for a child when nobody wants its answer any more."""


Event = dict[str, Any]
Process = subprocess.Popen[bytes] | ForkedChild
Start = Callable[[str, int, threading.Event], Process]
"""Starts a child for a kind of file, with a descriptor to write its events to, unless stopped."""


def fresh(kind: str, events: int, stop: threading.Event, alone: bool = True) -> Process:
    """Start a new Python. `alone` is False for one of several files, which then has one thread."""
    return subprocess.Popen(
        [*COMMAND, str(events)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[events],
        start_new_session=True,  # a group of its own, to be killed as a whole
        env=environment(alone),
    )


def environment(alone: bool) -> dict[str, str]:
    """Return the environment of a child."""
    return {**({} if alone else ONE_THREAD), **os.environ, **SHOW_NOTHING}


class Forks:
    """Starts children by forking them from a server for each kind of file, on one thread each.

    Closing it ends the servers.
    """

    def __init__(self) -> None:
        self._servers: dict[str, ForkServer] = {}
        self._lock = threading.Lock()

    def __call__(self, kind: str, events: int, stop: threading.Event) -> Process:
        """Start a child: a fork, or a new Python where that cannot be."""
        with self._lock:
            if kind not in self._servers and AVAILABLE:
                self._servers[kind] = ForkServer(COMMAND, kind, environment(alone=False))
        child = self._servers[kind].fork(events, stop) if AVAILABLE else None
        if child is None and stop.is_set():
            raise Stopped
        return child or fresh(kind, events, stop, alone=False)

    def close(self) -> None:
        """End the servers."""
        for server in self._servers.values():
            server.close()


class Child:
    """A running child. As a context manager it and all that it started are gone at the end.

    `stop`, once set, ends the waiting for it with Stopped. `start` makes its process.
    """

    def __init__(
        self,
        request: dict[str, Any],
        stop: threading.Event | None = None,
        start: Start | None = None,
    ) -> None:
        self._stop = stop or threading.Event()
        events_in, events_out = os.pipe()
        self._process = (start or fresh)(request["kind"], events_out, self._stop)
        os.close(events_out)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._output = OutputReader(self._process.stdout)  # type: ignore[arg-type]
        self._output.start()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, args=(events_in,), daemon=True)
        self._listener.start()
        self._send(request)
        self.where = "before it ran anything"

    def _send(self, request: dict[str, Any]) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        with suppress(BrokenPipeError):  # it died at once; next_event will say so
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()

    def _listen(self, events_in: int) -> None:
        with os.fdopen(events_in, "rb") as pipe:
            for line in pipe:
                self._events.put(json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def next_event(self, seconds: float) -> Event | None:
        """The next event, or None when `seconds` have passed or the child is dead."""
        deadline = time.monotonic() + seconds
        while True:
            if self._stop.is_set():
                raise Stopped
            alive = self._process.poll() is None
            if not alive:
                self._listener.join(POLL)  # what it sent before it died may still be on its way
            wait = min(POLL, deadline - time.monotonic())
            try:
                event = (
                    self._events.get(timeout=max(wait, 0.0)) if alive else self._events.get_nowait()
                )
            except queue.Empty:
                if not alive or time.monotonic() >= deadline:
                    return None
                continue
            self.where = _where(event) or self.where
            return event

    @property
    def status(self) -> int | None:
        """None while it lives; then its exit status, negative for the signal that killed it."""
        return self._process.poll()

    def interrupt(self) -> None:
        """Ask the child to leave what it runs and to grade what there is."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the child and every process that it started."""
        with suppress(ProcessLookupError, PermissionError):  # all gone already
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()  # had it left its group
        self._process.wait()
        self._output.join(1.0)  # not for ever: a process that left the group may hold the pipe
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def output(self) -> str:
        """What the file printed, without the middle of a flood."""
        return self._output.kept.text()


def _where(event: Event) -> str | None:
    """What the child does from this event on, for the line that says where it was lost."""
    if event["event"] == "cell":
        return "while it ran" if event["cell"] is None else f"in cell {event['cell']}"
    return "while grading" if event["event"] == "grading" else None
