"""The shares of a team, and its waiting."""

from itertools import product as every

import numpy as np
import pytest

from handgrad.engine.compiled.team import Team
from handgrad.kernels.jit import called
from handgrad.kernels.team import LINE, lines, share, wait


@called
def _mark(marks, unit, thread, team):
    begin, end = share(marks.size, unit, thread, team)
    for i in range(begin, end):
        marks[i] += 1
    return begin


@called
def _mark_lines(marks, thread, team):
    begin, end = lines(marks.size, thread, team)
    for i in range(begin, end):
        marks[i] += 1
    return 0


def test_shares_cover_everything_once_in_whole_units() -> None:
    for size, unit, threads in every([1, 15, 16, 17, 200], [1, 6, 16], [1, 2, 3, 7]):
        marks, begins = np.zeros(size, np.int64), []
        Team(threads).run(
            lambda *of, m=marks, u=unit, b=begins: b.append(_mark(m, u, *of)), threads
        )
        assert (marks == 1).all(), (size, unit, threads)
        assert all(begin in (size, begin - begin % unit) for begin in begins)


def test_lines_cover_everything_once() -> None:
    for size, threads in every([1, LINE, LINE + 1, 200], [1, 2, 3, 7]):
        marks = np.zeros(size, np.int64)
        Team(threads).run(lambda *of, m=marks: _mark_lines(m, *of), threads)
        assert (marks == 1).all(), (size, threads)


@called
def _meet(rounds, written, late, thread, team):
    """Return how often another thread's write before `wait` is not visible after it."""
    missed = 0
    for n in range(1, rounds + 1):
        written[thread, 0] = n
        wait(thread, team)
        for other in range(len(written)):
            missed += written[other, 0] != n
        wait(thread, team)
    late[thread] = missed
    return rounds


@pytest.mark.parametrize("threads", [1, 2, 5])  # more than many machines have CPUs
def test_after_wait_all_writes_are_visible(threads: int) -> None:
    written, late = np.zeros((threads, LINE), np.int64), np.full(threads, -1)
    team = Team(threads)
    for _ in range(2):  # a team may meet again
        assert team.run(lambda *of: _meet(200, written, late, *of), threads) == 200
        assert (late == 0).all()
