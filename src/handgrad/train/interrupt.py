"""Ctrl-C and SIGTERM: the first asks the loop to stop after its step, the second stops at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """`asked` turns True at the first signal; the loop looks at it after every step."""

    asked = False


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Within it the first signal sets `Stop.asked`, the next raises KeyboardInterrupt at once.

    Outside the main thread signals cannot be caught; then nothing is asked.
    """
    stop = Stop()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
