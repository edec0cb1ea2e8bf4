"""How many threads run a step or an evaluation: as many as help, up to a limit.

The bits do not depend on the number (kernels/team.py), so it may change from call to call.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from handgrad.engine.compiled.inference_source import CHARACTERS, ROWS
from handgrad.engine.compiled.names import bind
from handgrad.kernels.product import LARGE
from handgrad.models import CONTEXTS, Model

_most = 1


def at_most() -> int:
    """Return the limit that `threads` has set; 1 by default."""
    return _most


@contextmanager
def threads(n: int, model: Model, batch_size: int) -> Iterator[None]:
    """Allow up to `n` threads within the block.

    If `model` has products large enough for BLAS, load SciPy and limit BLAS to one thread, because
    each of our threads calls it.
    """
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
    import scipy.linalg.cython_blas  # noqa: F401  # the limit applies to loaded libraries only
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


def has_large_products(model: Model, batch_size: int) -> bool:
    """Return whether a step or an evaluation of `model` has products for BLAS."""
    if model.batches == CONTEXTS:
        bound = bind(model, max(batch_size, ROWS))
    else:
        characters = max(batch_size * model.block_size, CHARACTERS)
        bound = bind(model, characters, characters)
    weights = {name: shape for name, shape in model.shapes().items() if len(shape) > 1}
    return any(
        one.shapes[one.call.outputs[0]][0] * math.prod(weights[name]) >= LARGE
        for one in bound
        for name in one.call.inputs
        if name in weights
    )


MEASURABLE = 0.003
"""Minimum seconds of a call that is measured: threads start 0.0002 s late, and the first steps fill
the caches."""
FIRST = 8
"""Steps in the first call, before any measurement."""
GAIN = 1.1
"""Minimum gain from twice the threads: other programs can use them."""
CALLS = 3
"""Calls with each candidate before it is judged by its fastest call."""
PROBE = 0.02
"""Seconds of a call while candidates are probed, to limit the cost of a bad one."""
SLOWER, HOPELESS = 1.5, 4.0
"""Factors of a step's time: slower than before means that another program runs; hopeless rejects
a candidate after one call."""
PATIENCE = 4, 1024
"""First and maximum number of calls until the next probe; it doubles after each failed one. It is
short at first, because threads that have just started may share a CPU for many milliseconds. It is
long later, because on a busy machine a step with two threads can take ten times as long as with
one."""


class Pace:
    """The number of threads with the least time per step, found by probing."""

    def __init__(self, most: int, now: Callable[[], float] = time.perf_counter) -> None:
        """The candidates are 1, 2, 4, ... and `most`."""
        self._numbers = [n for n in (2**k for k in range(most.bit_length())) if n < most] + [most]
        self._now = now
        self._best, self._at = 0, 0
        self._recent: deque[float] = deque(maxlen=CALLS)
        self._seconds, self._last = math.inf, math.inf
        self._upwards = True
        self._patience, self._left = PATIENCE[0], 0

    def steps(self, most: int) -> int:
        """Return the number of steps of the next call: few during a probe, else `most`."""
        probing = self._at != self._best or len(self._recent) < CALLS
        if len(self._numbers) == 1 or not probing:
            return most
        if self._last == math.inf:
            return min(FIRST, most)
        return max(1, min(most, math.ceil(PROBE / self._last)))

    def timed(self, steps_by: Callable[[int], int]) -> int:
        """Call `steps_by` with a number of threads; return its result, the number of steps."""
        began = self._now()
        steps = steps_by(self._numbers[self._at])
        seconds = self._now() - began
        self._last = seconds / max(1, steps)
        if len(self._numbers) > 1 and seconds >= MEASURABLE:
            self._recent.append(self._last)
            self._left -= 1
            hopeless = self._at != self._best and self._last > HOPELESS * self._seconds
            if len(self._recent) == CALLS or hopeless:
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
            # on success continue in the same direction
            self._left = 0 if better else self._patience
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
