"""Ctrl-C and SIGTERM: the first stops the loop after its step, the second stops at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """`requested` becomes True at the first signal; the loop reads it after every step."""

    requested = False


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Set `Stop.requested` at the first signal, raise KeyboardInterrupt at the second.

    Outside the main thread Python cannot handle signals; `requested` then stays False.
    """
    stop = Stop()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
