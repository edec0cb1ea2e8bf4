"""A time limit for one experiment: a changed line, or a wrong engine, may run forever."""

import _weakrefset
import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS = 0.25
"""Of the processor's time, so that a busy machine changes nothing. A graph of some ten nodes takes
less than a millisecond."""


class Late(BaseException):
    """Raised inside the code under test, past its `except Exception`."""


AGAIN = 0.05
"""Where an exception would be lost, as in the callback of a weak reference, it waits so long."""


def _late(number: int, frame: FrameType | None) -> None:
    if frame is None or frame.f_code.co_filename != _weakrefset.__file__:
        raise Late


@contextmanager
def limited(seconds: float = SECONDS) -> Iterator[None]:
    """Raise Late inside when the time is up. Outside of the main thread there is no limit.

    Garbage is collected outside of it: in a process with many objects, such as a notebook's, one
    collection alone takes longer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    collects = gc.isenabled()
    gc.disable()
    handler = signal.signal(signal.SIGVTALRM, _late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, handler)
        if collects:
            gc.enable()
