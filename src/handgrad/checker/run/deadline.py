"""The time limit of a checked file, inside the process that runs it."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

PATIENCE = 2.0  # seconds from the end of the time until grading starts while the code still runs
LONGEST = 1e9  # seconds: the system's clocks allow no more than some centuries
TIMED_OUT = "Timeout: still running after "
"""The start of the error of a cell that ran out of time."""


class Timeout(BaseException):
    """Raised inside the user's code when its time is up; `except Exception` does not catch it."""


class Deadline:
    """Stops the user's code when its time is up, and nothing else.

    The parent sends SIGTERM each second, which raises Timeout here: an exception inside a `__del__`
    or a bare `except:` is lost. Code that catches all of them, or runs in C, does not stop. Then a
    thread calls `give_up` while that code is still running.
    """

    def __init__(self, seconds: float, give_up: Callable[[Timeout], NoReturn]) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._give_up = give_up
        self._armed = False
        self._claim = threading.Lock()  # its owner answers the parent
        self._halted = threading.Event()
        self.passed = False
        signal.signal(signal.SIGTERM, self._on_sigterm)
        threading.Thread(target=self._last_resort, daemon=True).start()

    def _timeout(self) -> Timeout:
        return Timeout(f"still running after {self._seconds:g} s (--timeout); the rest did not run")

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() < self._end:  # not from our parent: end this process
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        self.passed = True
        if self._armed and self._claim.locked():
            self._halted.set()
            threading.Event().wait()  # nothing more may be recorded; the thread ends the process
        if self._armed:
            raise self._timeout()

    def _last_resort(self) -> None:
        time.sleep(min(self._seconds + PATIENCE, LONGEST))
        if self._armed and self._claim.acquire(blocking=False):
            os.kill(os.getpid(), signal.SIGTERM)
            self._halted.wait(0.5)  # code in C, or that handles SIGTERM itself, does not halt
            self._give_up(self._timeout())

    @contextmanager
    def users_code(self) -> Iterator[None]:
        """Within this, Timeout may be raised."""
        self._armed = True
        try:
            yield
        finally:
            self._armed = False

    def over(self) -> None:
        """Claim the answer for the caller: the user's code has ended."""
        self._claim.acquire()
