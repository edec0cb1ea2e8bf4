"""The judge's side of the candidate's process: start it, ask it, stop it, say how it died."""

import contextlib
import os
import select
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from torch import Tensor

from handgrad.checker.functions.gate import wire
from handgrad.checker.functions.gate.arena import Arena
from handgrad.checker.functions.gate.errors import error_of
from handgrad.checker.functions.gate.zygote import Zygote
from handgrad.text import one_line

DEATHS = 12
"""So many processes may die before the check gives up."""


class ProcessLostError(OSError):
    """The candidate ended its process, or was killed. (An OSError is never read as a refusal.)"""


class GaveUp(BaseException):
    """Raised through the whole check: going on is no use. The message is one line."""


@dataclass(frozen=True)
class Setup:
    """What the candidate is, and what it may use."""

    candidate: str
    path: tuple[str, ...] = ()
    """Folders where its modules are."""
    device: str = "cpu"
    call_timeout: float = 60.0
    """Seconds for one call."""
    timeout: float = 600.0
    """Seconds for all calls."""
    memory: int | None = 8 * 2**30
    """Bytes beyond what the process has after importing torch."""
    fingerprints: tuple[str, ...] = ()
    """Of the reference's code."""
    builtin: str | None = None
    """The reference, where it is written in C."""
    parameters: tuple[str, ...] = ()
    """The last inputs: the parameters of the reference, an nn.Module."""
    init: Any = None
    """What the reference's class was made from, packed."""


@dataclass
class Observed:
    """What was seen of how the candidate computes."""

    kinds: dict[str, dict[str, None]] = field(default_factory=dict)
    """By kind, what was seen, in order."""
    calls: int = 0
    processes: int = 0
    kept: bool = False
    """Whether two calls returned the same memory."""

    def add(self, kind: str, what: str) -> None:
        self.kinds.setdefault(kind, {})[what] = None


class Candidate:
    """The running candidate. Leaving its context ends its process and all that it started."""

    def __init__(self, setup: Setup, zygote: Zygote | None = None) -> None:
        self.setup = setup
        self.observed = Observed()
        self.arena = Arena()
        self.phase = ""
        """What the candidate does now, for the line that says where it was lost."""
        self._own = zygote is None
        self._zygote = zygote or Zygote()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        self._pid: int | None = None
        self._deaths = 0
        self._dropped: list[int] = []
        self._spent = 0.0
        self.generation = 0
        """Counts the processes: the calls of an earlier one are lost."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        if self._own:
            self._zygote.close()
        self._output.close()
        self.arena.close()

    @property
    def alive(self) -> bool:
        """Whether a process runs, as far as is known."""
        return self._pid is not None

    def start(self) -> wire.Message:
        """Start a new process that imports the candidate; return its first event.

        Raises ProcessLostError or GaveUp if it dies or hangs while it does so.
        """
        self.stop()
        requests, self._to = os.pipe()
        self._from, answers = os.pipe()
        self.phase = "import"
        theirs = (requests, answers, self.arena.descriptor, self._output.fileno())
        try:
            self._pid = self._zygote.fork(theirs)
        finally:
            os.close(requests)
            os.close(answers)
        self._lines = wire.Lines(self._fill)
        self.observed.processes += 1
        self.generation += 1
        s = self.setup
        self._deadline = time.monotonic() + s.call_timeout
        self._write(
            {
                "candidate": s.candidate,
                "path": list(s.path),
                "device": s.device,
                "memory": s.memory,
                "fingerprints": list(s.fingerprints),
                "builtin": s.builtin,
                "parameters": list(s.parameters),
                "init": s.init,
            }
        )
        return self._event()

    def stop(self) -> None:
        """End the process, if it runs."""
        if self._pid is None:
            return
        pid, self._pid = self._pid, None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(OSError, ValueError):
            self._zygote.wait(pid)
        os.close(self._to)
        os.close(self._from)

    def drop(self, generation: int, call: int) -> None:
        """Forget a call, at the next request."""
        if generation == self.generation:
            self._dropped.append(call)

    def ask(
        self, phase: str, request: wire.Message, tensors: Sequence[wire.Message] = ()
    ) -> tuple[wire.Message, list[Tensor]]:
        """Send a request; return the answer and its tensors.

        Raises the candidate's error, as a class of the same name; ProcessLostError if it died;
        GaveUp if it hangs.
        """
        if self._pid is None:
            self.begin()
        self.phase = phase
        self.observed.calls += request["do"] == "forward"
        dropped, self._dropped = self._dropped, []
        start = time.monotonic()
        left = self.setup.timeout - self._spent
        self._deadline = start + min(self.setup.call_timeout, left)
        self._write({**request, "tensors": list(tensors), "drop": dropped})
        answer = self._event()
        results = []
        try:
            for description in answer.get("tensors", ()):
                content = self._lines.bytes(wire.nbytes(description))
                results.append(wire.restored(description, content))
        except wire.Closed:
            self._died()
        except (KeyError, ValueError, TypeError) as error:
            self._broken(error)
        self._spent += time.monotonic() - start
        if answer["event"] == "raised":
            raise error_of(answer)
        return answer, results

    def begin(self) -> None:
        """Start a process after one died. Raises if the candidate no longer loads."""
        first = self.start()
        if first["event"] != "ready":
            self.stop()
            raise GaveUp(f"the candidate loads once and then fails: {first.get('text', '')}")

    def printed(self) -> str:
        """Return the end of what the candidate printed."""
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - 2**14))
        return self._output.read().decode(errors="replace")

    def _write(self, message: wire.Message) -> None:
        try:
            wire.send(self._to, message)
        except OSError:
            self._died()

    def _event(self) -> wire.Message:
        """Return the next event that is no observation."""
        while True:
            try:
                message = self._lines.line()
                if message.get("event") != "observed":
                    message["event"] = str(message["event"])
                    return message
                self.observed.add(str(message["kind"]), one_line(str(message["what"]), 200))
            except wire.Closed:
                self._died()
            except (KeyError, ValueError, TypeError) as error:
                self._broken(error)

    def _fill(self, count: int) -> bytes:
        seconds = self._deadline - time.monotonic()
        readable, _, _ = select.select([self._from], [], [], max(seconds, 0.0))
        if not readable:
            self.stop()
            if self._spent + self.setup.call_timeout >= self.setup.timeout:
                raise GaveUp(
                    f"its calls take more than {self.setup.timeout:g} s in all (--timeout)"
                )
            raise GaveUp(
                f"{self.phase} does not return within {self.setup.call_timeout:g} s "
                f"(--call-timeout)"
            )
        return os.read(self._from, count)

    def _died(self) -> None:
        """Say how the process ended. Always raises."""
        pid, self._pid = self._pid, None
        status = -signal.SIGKILL
        with contextlib.suppress(OSError, ValueError):
            status = self._zygote.wait(pid or 0)
        os.close(self._to)
        os.close(self._from)
        self._deaths += 1
        text = f"{self.phase} ends its process: {_status(status)}"
        if self._deaths >= DEATHS:
            raise GaveUp(f"{text}; {self._deaths} processes ended so")
        raise ProcessLostError(text)

    def _broken(self, error: Exception) -> None:
        self.stop()
        self.observed.add("tampering", "writes to the pipe of the check")
        raise GaveUp("its answer is not one that the check asked for") from error


def _status(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
