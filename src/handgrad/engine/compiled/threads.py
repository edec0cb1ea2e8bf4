"""How many threads work on a step or an evaluation: as many as help, up to a number that is set.

The bits do not depend on it (kernels/team.py), so it may change from one call to the next.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from handgrad.engine.compiled.inference_source import ROWS
from handgrad.kernels.product import LARGE
from handgrad.models import Model

_most = 1


def at_most() -> int:
    """What `threads` has set; else 1."""
    return _most


@contextmanager
def threads(n: int, model: Model, batch_size: int) -> Iterator[None]:
    """Up to `n` threads for all that is made within it; SciPy is loaded if `model` has products
    that are large enough for a BLAS, which is one thread of its own in each."""
    global _most
    before, _most = _most, n
    try:
        if has_large_products(model, batch_size):
            with _blas_of_one_thread():
                yield
        else:
            yield
    finally:
        _most = before


@contextmanager
def _blas_of_one_thread() -> Iterator[None]:
    import scipy.linalg.cython_blas  # noqa: F401  # what is not loaded is not told
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


def has_large_products(model: Model, batch_size: int) -> bool:
    """Whether a step or an evaluation of `model` has products that BLAS does."""
    largest = max(math.prod(shape) for shape in model.shapes().values() if len(shape) > 1)
    return max(batch_size, ROWS) * largest >= LARGE


TELLING = 0.003
"""Seconds from which on a call tells how fast steps are: threads begin 0.0002 late, and the first
steps fill the caches."""
FIRST = 8
"""Steps of the first call, of which nothing is known yet."""
GAIN = 1.1
"""What twice the threads must at least gain: they are somebody's."""
LOOKS = 3
"""Calls by each number before it is judged, by the quickest of them."""
TRIAL = 0.02
"""Seconds of a call while numbers are tried, so that a bad one costs little."""
SLOWER, HOPELESS = 1.5, 4.0
"""Steps that take so many times as long as before: somebody else has come; and that need no second
look."""
PATIENCE = 4, 1024
"""Calls until another number is tried again, and at most: each time in vain, twice as many. Soon at
first: threads that have just been started may have to share a processor for many milliseconds.
Rarely later: where others want it, a step by two threads can take ten times as long as by one."""


class Pace:
    """How many threads take the least time a step, found by trying."""

    def __init__(self, most: int, now: Callable[[], float] = time.perf_counter) -> None:
        """1, 2, 4, ... and `most` are tried."""
        self._numbers = [n for n in (2**k for k in range(most.bit_length())) if n < most] + [most]
        self._now = now
        self._best, self._at = 0, 0
        self._recent: deque[float] = deque(maxlen=LOOKS)
        self._seconds, self._last = math.inf, math.inf
        self._upwards = True
        self._patience, self._left = PATIENCE[0], 0

    def steps(self, most: int) -> int:
        """How many the next call should take: few while numbers are tried, else `most`."""
        tried = self._at != self._best or len(self._recent) < LOOKS
        if len(self._numbers) == 1 or not tried:
            return most
        if self._last == math.inf:
            return min(FIRST, most)
        return max(1, min(most, math.ceil(TRIAL / self._last)))

    def timed(self, steps_by: Callable[[int], int]) -> int:
        """`steps_by` some number of threads, which returns how many it did; so does this."""
        began = self._now()
        steps = steps_by(self._numbers[self._at])
        seconds = self._now() - began
        self._last = seconds / max(1, steps)
        if len(self._numbers) > 1 and seconds >= TELLING:
            self._recent.append(self._last)
            self._left -= 1
            hopeless = self._at != self._best and self._last > HOPELESS * self._seconds
            if len(self._recent) == LOOKS or hopeless:
                self._judge(min(self._recent))
        return steps

    def _judge(self, seconds: float) -> None:
        if self._at != self._best:
            better = seconds * GAIN**self._at < self._seconds * GAIN**self._best
            if better:
                self._best, self._patience = self._at, PATIENCE[0]
            else:
                self._upwards = not self._upwards
                self._patience = min(2 * self._patience, PATIENCE[1])
            self._left = 0 if better else self._patience  # and on, the same way
            self._move(self._best)
        elif self._left <= 0 or seconds > SLOWER * self._seconds:
            self._seconds = seconds
            self._move(self._neighbour())

    def _move(self, at: int) -> None:
        self._at = at
        self._recent.clear()

    def _neighbour(self) -> int:
        last = len(self._numbers) - 1
        if self._best in (0, last):
            self._upwards = self._best == 0
        return self._best + (1 if self._upwards else -1)
