"""Hostile files among others, in a sandbox and without one: they cost themselves alone."""

import os
import resource
import time
from pathlib import Path

import pytest

from checker.run.hostile import MODES, checked, needs_bwrap, running
from checker.run.test_limits import needs_proc, wait_until_dead
from handgrad.checker.run import limits
from handgrad.checker.run.limits import Limits
from handgrad.checker.run.messages import hidden
from handgrad.checker.run.run import check_file
from handgrad.cli import run

pytestmark = [
    pytest.mark.usefixtures("faked"),
    pytest.mark.skipif(not limits.KEEPS, reason="processes are kept track of on Linux alone"),
]
Captured = pytest.CaptureFixture[str]

GUESSING = """\
import os
for fd in range(3, 64):
    try: os.write(fd, b'{"ok": true}\\n')
    except OSError: pass
da = 1
"""
GUESSED = """\
file    result  right  wrong  shape  missing  to blame, or what happened
ana.py  ok          1      0      0        0
eve.py  ok          1      0      0        0

2 files: 2 all correct.
"""


@pytest.mark.parametrize("walled", MODES)
def test_messages_written_to_guessed_descriptors(
    walled: bool, folder: Path, capsys: Captured
) -> None:
    """Nothing is at those descriptors."""
    (folder / "eve.py").write_text(GUESSING)
    option = "--sandbox" if walled else "--no-sandbox"
    assert run(["check", "ana.py", "eve.py", option]) == 0
    assert capsys.readouterr().out == GUESSED


FORGED = {
    "not JSON": "'\\n'",
    "a list": "'[1]\\n'",
    "no event": "'{}\\n'",
    "an unknown event": """'{"event": "trusted"}\\n'""",
    "a cell that is no number": """'{"event": "cell", "cell": [1]}\\n'""",
    "nested": "'[' * 100000 + '\\n'",
    "an empty report": """'{"event": "answer", "report": {}}\\n'""",
    "a report of other types": """'{"event": "answer", "report": {"file": 1, "rows": 2, '
     '"notes": 0, "errors": 0, "edges": 0, "listings": 0}}\\n'""",
    "no report": """'{"event": "answer"}\\n'""",
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_forged_messages(forged: str, folder: Path) -> None:
    """Code that finds the channel in the memory of its process costs its own file alone."""
    source = f"""\
import gc
da = 1
from handgrad.checker.run.channel import Channel
for one in gc.get_objects():
    if isinstance(one, Channel):
        one._events.write(one._token + ' ' + {forged})
        one._events.flush()
"""
    eve = checked(folder, source, walled=False)
    assert (eve.status, eve.report, eve.message) == (
        "crashed",
        None,
        "its process sent something that is not a report, so nothing was graded",
    )


@needs_proc
@pytest.mark.parametrize("walled", MODES)
@pytest.mark.parametrize(
    "ending", ["", "os._exit(0)", "os.kill(os.getpid(), 9)"], ids=["runs on", "exits", "is killed"]
)
def test_a_process_in_its_own_session_is_ended(walled: bool, ending: str, folder: Path) -> None:
    seconds = f"61.{os.getpid()}{walled:d}{len(ending)}"
    source = f"""\
import os, subprocess
subprocess.Popen(["sleep", "{seconds}"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("env", ["env", "-i", "sleep", "{seconds}"])
    os._exit(0)
import time; time.sleep(0.1)
da = 1
{ending}
"""
    checked(folder, source, walled)
    assert not list(running(seconds))


@needs_proc
def test_a_process_of_a_single_file_is_ended_too(folder: Path) -> None:
    seconds = f"62.{os.getpid()}"
    (folder / "one.py").write_text(
        f"import subprocess\nsubprocess.Popen(['sleep', '{seconds}'], start_new_session=True)\n"
        "da = 1"
    )
    assert check_file(folder / "one.py").report.ok
    assert not list(running(seconds))


def test_signals_to_its_parent_end_the_file_alone(folder: Path) -> None:
    for number in (15, 9):
        source = f"import os, time\nda = os.kill(os.getppid(), {number})\ntime.sleep(60)"
        assert checked(folder, source, walled=False).status == "crashed"


SIGNALS = """\
import os, signal
for pid in [os.getppid(), 1, *range(2, 400), *map(int, PIDS.split())]:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        try:
            if pid not in (0, os.getpid()): os.kill(pid, number)
        except OSError: pass
da = 1
"""


@needs_bwrap
def test_signals_reach_nothing_outside_of_a_sandbox(folder: Path) -> None:
    pids = f"'{os.getpid()} {os.getppid()}'"
    eve = checked(folder, SIGNALS.replace("PIDS", pids), walled=True)
    assert eve.status == "crashed"  # it ended its own sandbox


@pytest.mark.parametrize("walled", MODES)
def test_a_flood_of_output(walled: bool, folder: Path) -> None:
    source = "import os\nda = 1\nfor _ in range(3000): os.write(1, b'x' * 65536)"
    eve = checked(folder, source, walled)
    assert eve.status == "ok"
    assert len(eve.output) < 200_000
    assert "bytes left out" in eve.output


@pytest.mark.parametrize("walled", MODES)
def test_memory_of_one_process(walled: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An allocation beyond the limit fails: an error of the file, which is graded."""
    monkeypatch.setattr("handgrad.checker.run.run.limits_of", lambda jobs: Limits(2**30))
    eve = checked(folder, "da = 1\nmuch = bytearray(2**31)", walled)
    assert eve.status == "raised"
    assert eve.report is not None
    assert [error.error for error in eve.report.errors] == ["MemoryError"]


@pytest.mark.parametrize("walled", MODES)
def test_memory_of_many_processes(
    walled: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handgrad.checker.run.run.limits_of", lambda jobs: Limits(2**29))
    source = """\
import os, time
da = 1
for _ in range(4):
    if os.fork() == 0:
        much = b"x" * 200_000_000
        time.sleep(60)
time.sleep(60)
"""
    begin = time.monotonic()
    eve = checked(folder, source, walled)
    assert (eve.status, eve.message) == (
        "crashed",
        "Python was ended in the script: it used more than 0.5 GB of memory, so nothing was graded",
    )
    assert time.monotonic() - begin < 30


@needs_proc
@pytest.mark.parametrize("walled", MODES)
def test_a_fork_bomb(walled: bool, folder: Path) -> None:
    seconds = f"63.{os.getpid()}{walled:d}"
    source = f"""\
import os, subprocess, time
da = 1
while True:
    subprocess.Popen(["sleep", "{seconds}"], start_new_session=True)
"""
    eve = checked(folder, source, walled)
    assert (eve.status, eve.message) == (
        "crashed",
        "Python was ended in the script: it ran more than 256 processes and threads, so nothing was"
        " graded",
    )
    assert all(wait_until_dead(pid) for pid in running(seconds))


@pytest.mark.parametrize("hard", [4096, 2**14, 2**14 + 20])
def test_where_the_system_allows_few_descriptors(
    monkeypatch: pytest.MonkeyPatch, hard: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, hard))
    descriptor = os.open(os.devnull, os.O_RDONLY)
    try:
        assert hidden(descriptor) == descriptor
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)
