"""Threads of Python's that run a compiled step together, and hold no lock of it while they do."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import numpy.typing as npt

from handgrad.engine.compiled.memory import LINE, side_by_side

Table = npt.NDArray[np.int64]
Part = Callable[[int, Table], int]
"""part(thread, team): what kernels/team.py calls by these names."""


def _table(threads: int) -> Table:
    return side_by_side({"team": (1 + threads, LINE // 8)}, np.int64)["team"]


ALONE = (0, _table(1))
"""The only thread of a team, and its team."""


class Team:
    """Up to `most` threads, started when they are first wanted."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._pool: ThreadPoolExecutor | None = None

    def run(self, part: Part, threads: int) -> int:
        """`part` on all of `threads` threads at once; what that of the first returns.

        It goes to its end on Ctrl-C too. Where the system has no more threads, on one.
        """
        pool = self.pool() if threads > 1 else None
        if pool is None:
            return part(*ALONE)
        # one call, that no Ctrl-C comes between: a team that is not complete would wait for ever
        first = pool.submit(self._first, pool, part, threads)
        try:
            return first.result()
        finally:
            wait([first])

    def pool(self) -> ThreadPoolExecutor | None:
        """The threads; None for a team of one, and where the system has no more."""
        if self.most > 1 and self._pool is None:
            self._pool = _started(self.most)
            self.most = self.most if self._pool else 1
        return self._pool

    def _first(self, pool: ThreadPoolExecutor, part: Part, threads: int) -> int:
        table = _table(threads)
        others = [pool.submit(part, thread, table) for thread in range(1, threads)]
        try:
            return part(0, table)
        finally:
            wait(others)


def _started(threads: int) -> ThreadPoolExecutor | None:
    """A pool whose threads are all there, or None where the system does not give so many."""
    pool, all_here = ThreadPoolExecutor(threads, "handgrad"), threading.Barrier(threads)
    try:
        wait([pool.submit(all_here.wait) for _ in range(threads)])
    except RuntimeError:
        return None
    finally:
        all_here.abort()  # who still waits, waits for one that does not come
    return pool
