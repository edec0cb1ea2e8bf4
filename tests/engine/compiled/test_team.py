"""Python threads: all run, and all end, whatever happens."""

import threading

import pytest

from handgrad.engine.compiled.team import Team


def test_every_thread_runs_once_and_the_first_result_is_returned() -> None:
    team, ran = Team(4), []
    for threads in (4, 1, 3, 4):
        ran.clear()
        assert team.run(lambda thread, _: ran.append(thread) or 10 + thread, threads) == 10
        assert sorted(ran) == [*range(threads)]


def test_an_error_is_raised_when_all_have_ended() -> None:
    ended = []

    def part(thread: int, _: object) -> int:
        if thread == 0:
            raise ValueError("bad")
        threading.Event().wait(0.05)
        ended.append(thread)
        return 0

    with pytest.raises(ValueError, match="bad"):
        Team(3).run(part, 3)
    assert sorted(ended) == [1, 2]


@pytest.mark.parametrize("there", [0, 1, 2])
def test_too_few_threads_fall_back_to_one(there: int, monkeypatch: pytest.MonkeyPatch) -> None:
    started, start = [], threading.Thread.start

    def limited(self: threading.Thread) -> None:
        if len(started) == there:
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    team, ran = Team(3), []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", limited)
        team.run(lambda thread, _: ran.append(thread) or 0, 3)
    team.run(lambda thread, _: ran.append(thread) or 0, 3)
    assert ran == [0, 0]
