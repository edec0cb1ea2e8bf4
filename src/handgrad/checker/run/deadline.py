"""The time limit of a checked file, inside the process that runs it."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

PATIENCE = 2.0  # seconds for the user's code to be left, until it is graded where it stands
LONGEST = 1e9  # seconds: the system's clocks take no more than some centuries
STRUCK = "Timeout: still running after "
"""How the error of a cell begins whose time was up."""


class Timeout(BaseException):
    """Raised inside the user's code when its time is up; no `except Exception` holds it."""


class Deadline:
    """Ends the user's code when its time is up, and only that.

    The parent's SIGTERM becomes Timeout, again each second: an exception raised inside a `__del__`
    or a bare `except:` is lost. Code that swallows them all, or is in C, cannot be left: then a
    thread calls `give_up` while it stands where it is.
    """

    def __init__(self, seconds: float, give_up: Callable[[Timeout], NoReturn]) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._give_up = give_up
        self._armed = False
        self._claim = threading.Lock()  # whoever has it answers the parent
        self._standing = threading.Event()
        self.passed = False
        signal.signal(signal.SIGTERM, self._strike)
        threading.Thread(target=self._last_resort, daemon=True).start()

    def _timeout(self) -> Timeout:
        return Timeout(f"still running after {self._seconds:g} s (--timeout); the rest was not run")

    def _strike(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() < self._end:  # not our parent's, so it means the end
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        self.passed = True
        if self._armed and self._claim.locked():
            self._standing.set()
            threading.Event().wait()  # nothing may be recorded any more; the thread ends it all
        if self._armed:
            raise self._timeout()

    def _last_resort(self) -> None:
        time.sleep(min(self._seconds + PATIENCE, LONGEST))
        if self._armed and self._claim.acquire(blocking=False):
            os.kill(os.getpid(), signal.SIGTERM)
            self._standing.wait(0.5)  # code in C, or one that took the signal over, stays as it is
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
        """The user's code has come to its end, so that the caller may answer and no thread."""
        self._claim.acquire()
