"""Python threads that run a compiled step together, without the global interpreter lock."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import numpy.typing as npt

from handgrad.engine.compiled.memory import LINE, side_by_side

Table = npt.NDArray[np.int64]
ThreadTask = Callable[[int, Table], int]
"""task(thread, team): the two parameters of kernels/team.py."""


def _table(threads: int) -> Table:
    return side_by_side({"team": (1 + threads, LINE // 8)}, np.int64)["team"]


ALONE = (0, _table(1))
"""The only thread of a team of one, and its team."""


class Team:
    """Up to `most` threads, started at first use."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._pool: ThreadPoolExecutor | None = None

    def run(self, task: ThreadTask, threads: int) -> int:
        """Run `task` on `threads` threads at once; return the first thread's result.

        It runs to its end even after Ctrl-C. If the system has no more threads, one is used.
        """
        pool = self.pool() if threads > 1 else None
        if pool is None:
            return task(*ALONE)
        # one call that Ctrl-C cannot interrupt: an incomplete team would wait forever
        first = pool.submit(self._first, pool, task, threads)
        try:
            return first.result()
        finally:
            wait([first])

    def pool(self) -> ThreadPoolExecutor | None:
        """Return the threads; None for a team of one, or if the system has no more threads."""
        if self.most > 1 and self._pool is None:
            self._pool = _started(self.most)
            self.most = self.most if self._pool else 1
        return self._pool

    def _first(self, pool: ThreadPoolExecutor, task: ThreadTask, threads: int) -> int:
        table = _table(threads)
        others = [pool.submit(task, thread, table) for thread in range(1, threads)]
        try:
            return task(0, table)
        finally:
            wait(others)


def _started(threads: int) -> ThreadPoolExecutor | None:
    """Return a pool whose threads all run, or None if the system does not provide that many."""
    pool, all_here = ThreadPoolExecutor(threads, "handgrad"), threading.Barrier(threads)
    try:
        wait([pool.submit(all_here.wait) for _ in range(threads)])
    except RuntimeError:
        return None
    finally:
        all_here.abort()  # release threads that wait for one that did not start
    return pool
