"""The child process that runs a checked file: start it, listen to it, stop it.

Parent to child: one line of JSON on standard input, which then stays open. A further line asks the
child to stop the file's code; when it closes, the child knows that its parent is gone. Child to
parent: the events of messages.py on a pipe of their own. What the file prints goes through a third
pipe and is not part of the answer.
"""

import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, Self

from handgrad.checker.run.forks import AVAILABLE, ForkedChild, ForkServer
from handgrad.checker.run.limits import KEEPS, Limits
from handgrad.checker.run.messages import Message, messages
from handgrad.checker.run.output import OutputReader
from handgrad.checker.run.sandbox import Sandbox

COMMAND = [sys.executable, "-P", "-m", "handgrad.checker.run.child"]
"""-P: a torch.py or json.py beside the checked file must not replace what the child imports."""
STARTUP = 120.0  # seconds until the child has imported what it needs, on a slow disk
CLEANING = 10.0  # seconds in which a child's keeper ends all that the file has started
GRACE = 5.0  # seconds that a file has to stop once its time is up
LONGEST_LOOK = 0.5  # seconds between looks at what the file uses
POLL = 0.1  # seconds between looks at whether the child is alive
SHOW_NOTHING = {"MPLBACKEND": "Agg", "PYTHONIOENCODING": "utf-8:backslashreplace"}
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""For a child beside others; torch, MKL and OpenBLAS all read it. The user's own setting wins."""

Process = subprocess.Popen[bytes] | ForkedChild
Start = Callable[[str, int, threading.Event], Process]
"""Starts a child for a kind of file, which writes its events to a descriptor, unless stopped."""


class Stopped(Exception):
    """Raised in whoever waits for a child when its answer is no longer wanted."""


def fresh(kind: str, events: int, stop: threading.Event, alone: bool = True) -> Process:
    """Start a new Python.

    `alone` is False for one of several files that run at the same time; each uses one thread.
    """
    return subprocess.Popen(
        [*COMMAND, str(events)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[events],
        start_new_session=True,  # its own process group, so that all of it can be killed
        env=environment(alone),
    )


def environment(alone: bool) -> dict[str, str]:
    """Return the environment of a child."""
    return {**({} if alone else ONE_THREAD), **os.environ, **SHOW_NOTHING}


class Forks:
    """Starts the children of several files, forked from one server for each kind of file.

    `close` ends the servers.
    """

    def __init__(self) -> None:
        self._servers: dict[str, ForkServer] = {}
        self._lock = threading.Lock()

    def __call__(self, kind: str, events: int, stop: threading.Event) -> Process:
        """Start a child: a fork if possible, else a new Python."""
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
    """A running child process. Leaving its context ends it and all that it started.

    Setting `stop` ends the wait for an answer with Stopped. `start` starts the process, which uses
    no more than `limits` and enters `box`.
    """

    def __init__(
        self,
        request: dict[str, Any],
        stop: threading.Event | None = None,
        start: Start | None = None,
        limits: Limits | None = None,
        box: Sandbox | None = None,
    ) -> None:
        self._stop = stop or threading.Event()
        events_in, events_out = os.pipe()
        try:
            self._process = (start or fresh)(request["kind"], events_out, self._stop)
        except BaseException:
            os.close(events_in)
            raise
        finally:
            os.close(events_out)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin
        self._output = OutputReader(self._process.stdout)  # type: ignore[arg-type]
        self._output.start()
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        token = secrets.token_hex()
        events = os.fdopen(events_in, "rb")
        self._listener = threading.Thread(target=self._listen, args=(events, token), daemon=True)
        self._listener.start()
        self.where = "before it ran any code"
        self.excess: str | None = None
        """What the file used too much of, so that it was ended."""
        self._limits = limits
        self._box = box
        self._looks_again = 0.0
        with suppress(BrokenPipeError):  # it died at once; next_message returns None
            self._stdin.write(json.dumps({**request, "token": token}).encode() + b"\n")
            self._stdin.flush()

    def _listen(self, events: BinaryIO, token: str) -> None:
        with events:
            for message in messages(events, token):
                self._messages.put(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def next_message(self, seconds: float) -> Message | None:
        """Return the next message, or None after `seconds` or if the child is dead."""
        deadline = time.monotonic() + seconds
        while True:
            if self._stop.is_set():
                raise Stopped
            self._look_at_limits()
            alive = self._process.poll() is None
            if not alive:
                self._listener.join(POLL)  # its last messages may still be on their way
            wait = max(min(POLL, deadline - time.monotonic()), 0.0)
            try:
                message = self._messages.get(timeout=wait) if alive else self._messages.get_nowait()
            except queue.Empty:
                if not alive or time.monotonic() >= deadline:
                    return None
                continue
            self.where = _where(message) or self.where
            return message

    def _look_at_limits(self) -> None:
        now = time.monotonic()
        if self._limits is None or now < self._looks_again or self.excess is not None:
            return
        roots = [self._process.pid, *([self._box.pid] if self._box else [])]
        self.excess = self._limits.excess(roots)
        if self.excess is not None:
            self.kill()
        # a look at hundreds of processes takes milliseconds
        self._looks_again = time.monotonic() + max(
            POLL, min(20 * (time.monotonic() - now), LONGEST_LOOK)
        )

    @property
    def status(self) -> int | None:
        """None while it lives, then its exit status: negative for the signal that killed it."""
        return self._process.poll()

    def interrupt(self) -> None:
        """Ask the child to stop the file's code and grade what there is."""
        with suppress(BrokenPipeError):
            self._stdin.write(b"stop\n")
            self._stdin.flush()

    def kill(self) -> None:
        """End the child and every process that it started."""
        if self._box is not None:
            self._box.close()
        if KEEPS and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)  # the keeper ends what left the group, too
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(CLEANING)
        with suppress(ProcessLookupError, PermissionError):  # all gone already
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()  # in case it left its group
        self._process.wait()
        self._output.join(1.0)  # a process that left the group may hold the pipe for ever
        with suppress(BrokenPipeError):
            self._stdin.close()

    def output(self) -> str:
        """Return what the file printed, without the middle if it printed very much."""
        return self._output.kept.text()


def _where(message: Message) -> str | None:
    """Return what the child does after this message, for the line that says where it was lost."""
    if message["event"] == "cell":
        return "in the script" if message["cell"] is None else f"in cell {message['cell']}"
    return "while grading" if message["event"] == "grading" else None
