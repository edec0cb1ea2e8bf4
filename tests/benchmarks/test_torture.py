"""The torture's own parts: it must be able to fail."""

import os
import signal
from pathlib import Path

from benchmarks.torture.trial import Outcome, Tally, forked
from benchmarks.torture.writes import Moment, killing, moments, recording

from handgrad.files import write_atomic


def test_what_counts_as_one_line() -> None:
    assert Outcome(2, "", "handgrad: config.json is damaged\n").refused
    for outcome in (
        Outcome(0, "", "handgrad: config.json is damaged\n"),
        Outcome(1, "", "handgrad: config.json is damaged\n"),
        Outcome(2, "", "handgrad: config.json is damaged\nhandgrad: and more\n"),
        Outcome(2, "", "Traceback (most recent call last):\n"),
        Outcome(130, "", "handgrad: interrupted by nobody\n"),
        Outcome(-11, "", ""),
    ):
        assert not outcome.refused
        tally = Tally("x")
        tally.count("it", outcome, same=False)
        assert len(tally.failures) == 1


def test_a_result_that_differs_is_a_failure() -> None:
    tally = Tally("x")
    tally.count("right", Outcome(0, "a", ""), same=True)
    tally.count("wrong", Outcome(0, "b", ""), same=False)
    tally.count("crashed", Outcome(-11, "", ""), same=True)
    tally.count("late", Outcome(2, "", "handgrad: there is no run\n"), same=False, may_refuse=False)
    assert (tally.same, tally.refused) == (1, 0)
    assert [failure.split(":")[0] for failure in tally.failures] == ["wrong", "crashed", "late"]
    assert tally.row == "| x | 4 | 1 | 0 | 3 |"


def test_every_write_is_a_moment_to_kill(tmp_path: Path) -> None:
    """Whenever the process dies, the file is the old one or the new one."""
    path, seen = tmp_path / "file", set()

    def task() -> int:
        write_atomic(path, b"new")
        return 0

    at = 0
    while True:
        at += 1
        path.write_bytes(b"old")
        outcome = forked(tmp_path, task, killing(at))
        seen.add(path.read_bytes())
        if outcome.code == 0:
            break
        assert outcome.code == -signal.SIGKILL
    assert at > 5
    assert seen == {b"old", b"new"}


def test_what_a_power_cut_leaves(tmp_path: Path) -> None:
    """A file that was never synced may be empty; one that was written atomically never is."""
    folder, log = tmp_path / "folder", tmp_path / "log"
    folder.mkdir()
    (folder / "file").write_bytes(b"old")
    descriptor = os.open(folder, os.O_RDONLY)

    def task() -> int:
        for name in (folder / "file", folder):
            opened = os.open(name, os.O_RDONLY)
            os.fsync(opened)
            os.close(opened)
        write_atomic(folder / "file", b"new")
        (folder / "plain").write_bytes(b"torn")
        os.fsync(descriptor)
        return 0

    assert forked(tmp_path, task, recording(folder, log)).code == 0
    os.close(descriptor)
    found: dict[str, set[bytes]] = {"file": set(), "plain": set()}
    for number, moment in enumerate(list(moments(log))[2:]):
        for _, state in moment.states(number):
            for name in found.keys() & state.keys():
                found[name].add(state[name])
    assert found["file"] == {b"old", b"new"}
    assert b"" in found["plain"]


def test_states_of_a_moment() -> None:
    moment = Moment({"a": 1, "b": 2}, {1: b"1234", 2: b"56"}, {"a": 3}, {3: b"old", 2: b"56"})
    states = [state for _, state in moment.states(0)]
    assert states[0] == {"a": b"", "b": b"56"}
    assert states[1] == {"a": b"old"}
    assert states[2] == {"a": b"12", "b": b"56"}
