"""Children that are forked for a class: no file can tell that it runs in one."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from checker.run import fake
from checker.run.test_limits import needs_proc, wait_until_dead
from handgrad.checker.run import forks, process
from handgrad.checker.run.forks import ForkedChild, ForkServer
from handgrad.checker.run.many import check_files
from handgrad.checker.run.process import Child, Forks
from handgrad.checker.run.run import CHECK

pytestmark = pytest.mark.skipif(not forks.AVAILABLE, reason="children are forked on Linux alone")

SEEN = """\
import json, os, random, resource, signal, sys, threading
import numpy
print(json.dumps({
    "argv": sys.argv[1:],
    "path": sys.path,
    "flags": list(sys.flags),
    "modules": sorted(name for name in sys.modules if not name.startswith("handgrad.checker.run")),
    "threads": [thread.name for thread in threading.enumerate()],
    "environment": {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"},
    "leads": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
    "files": len(os.listdir("/proc/self/fd")),
    "streams": [[s.encoding, s.errors, s.line_buffering] for s in (sys.stdout, sys.stderr)],
    "input": sys.stdin.read(),
    "signals": [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE)],
}))
print(random.random(), numpy.random.rand())
da = 1
"""


@pytest.fixture
def server(faked: None) -> Iterator[ForkServer]:
    with closing(ForkServer(process.COMMAND, "script", process.environment(False))) as started:
        yield started


def outputs(folder: Path, source: str, n: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `n` copies of a script print, in folders of their own; each must be a fork."""
    files = [folder / str(number) / "seen.py" for number in range(n)]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text(source)
    with monkeypatch.context() as patch:
        patch.setattr(process, "fresh", no_fresh_child)
        checked = sorted(check_files(files, jobs=2), key=lambda one: one.number)
    assert [one.status for one in checked] == ["ok"] * n, checked
    return [one.output for one in checked]


def no_fresh_child(*arguments: object, **options: object) -> None:
    raise AssertionError("a child was started from nothing")


def test_a_fork_looks_like_a_fresh_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real checker, whose imports it has: all that a file can see of them agrees."""
    source = SEEN.replace("da = 1", "import torch\nx = torch.ones(2, requires_grad=True)\n"
                          "loss = (x**2).sum()\nloss.backward()\ndx = 2 * x")  # fmt: skip
    forked = [text.splitlines() for text in outputs(tmp_path / "f", source, 2, monkeypatch)]
    alone = tmp_path / "alone" / "0" / "seen.py"
    alone.parent.mkdir(parents=True)
    alone.write_text(source)
    (fresh,) = check_files([alone])
    expected = seen(fresh.output.splitlines()[0], alone)
    for text, number in zip(forked, "01", strict=True):
        assert seen(text[0], tmp_path / "f" / number / "seen.py") == expected
    for forks_own, other in zip(forked[0][1].split(), forked[1][1].split(), strict=True):
        assert forks_own != other  # no two draw the same random numbers


def test_forks_of_a_server_that_has_numpys_random_numbers_draw_different_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """numpy imports them only when they are used, unless another package does so."""
    with_random = [*fake.COMMAND[:-1], f"import numpy.random\n{fake.COMMAND[-1]}"]
    monkeypatch.setattr(process, "COMMAND", with_random)
    source = "import numpy.random\nda = 1\nprint(numpy.random.rand())"
    one, other = outputs(tmp_path, source, 2, monkeypatch)
    assert one != other


def seen(line: str, file: Path) -> dict[str, Any]:
    found = json.loads(line)
    assert found["path"][0] == str(file.parent)
    found["path"][0] = "the file's folder"
    return dict(found)


def start(server: ForkServer, source: str) -> Child:
    """A forked child that runs a script of that text."""
    request = {"shown": "s.py", "path": f"{os.getcwd()}/s.py", "kind": "script", "task": CHECK}
    request |= {"cells": [[None, source, None]], "pairs": {}, "max_steps": None}
    request |= {"timeout": 60.0, "scratch": os.getcwd(), "folder": os.getcwd()}
    request |= {"arguments": (), "module": None}

    def forked(kind: str, events: int, stop: threading.Event) -> ForkedChild:
        child = server.fork(events, stop)
        assert child is not None
        return child

    return Child(request, start=forked)


@pytest.mark.parametrize(
    ("ending", "status"),
    [("os._exit(3)", 3), ("os.abort()", -signal.SIGABRT), ("os.kill(os.getpid(), 9)", -9)],
)
def test_the_exit_status_is_passed_on(server: ForkServer, ending: str, status: int) -> None:
    with start(server, f"import os\nda = {ending}") as child:
        while child.next_message(30) is not None:
            pass
        assert child.status == status


@needs_proc
def test_children_end_with_the_parent_and_their_keepers_too(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.py").write_text(
            "import os, time\nda = 1\nopen(f'{__file__}.tmp', 'w').write(f'{os.getpid()} "
            "{os.getppid()}')\nos.rename(f'{__file__}.tmp', f'{__file__}.pid')\ntime.sleep(60)"
        )
    code = (
        f"import sys; sys.path.append({str(Path(fake.__file__).parent)!r}); import fake;"
        "from handgrad.checker.run import process, many; process.COMMAND = fake.COMMAND;"
        "list(many.check_files(['a.py', 'b.py'], jobs=2, sandbox=False))"
    )
    written = [tmp_path / "a.py.pid", tmp_path / "b.py.pid"]
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path) as parent:
        waiting = threading.Event()
        for _ in range(1000):
            if all(file.exists() for file in written):
                break
            waiting.wait(0.02)
        parent.send_signal(signal.SIGKILL)
    pids = [list(map(int, file.read_text().split())) for file in written]
    assert len({parent.pid, *pids[0], *pids[1]}) == 5  # each has a keeper for a parent
    assert all(wait_until_dead(pid) for pair in pids for pid in pair)


@needs_proc
def test_a_child_outlives_its_server(server: ForkServer, tmp_path: Path) -> None:
    with start(server, "import time\nda = 1\ntime.sleep(0.5)") as child:
        assert child.next_message(30) is not None
        server.close()
        assert child.status == -signal.SIGKILL  # nobody is left who knows better
    assert server.fork(1, threading.Event()) is None


def test_where_nothing_can_be_forked_a_fresh_child_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the server has a second thread: numpy's BLAS with OMP_NUM_THREADS set to 2."""
    thread = "threading.Thread(target=time.sleep, args=[60], daemon=True).start()"
    with_thread = f"import sys, threading, time\nif '--serve' in sys.argv: {thread}\n"
    monkeypatch.setattr(process, "COMMAND", [*fake.COMMAND[:-1], with_thread + fake.COMMAND[-1]])
    started = []
    fresh = process.fresh

    def counted(*arguments: Any, **options: Any) -> process.Process:
        started.append(options)
        return fresh(*arguments, **options)

    monkeypatch.setattr(process, "fresh", counted)
    for name in "ab":
        (tmp_path / f"{name}.py").write_text("da = 1")
    checked = list(check_files([tmp_path / "a.py", tmp_path / "b.py"], jobs=2))
    assert [one.status for one in checked] == ["ok", "ok"]
    assert started == [{"alone": False}] * 2


def test_asked_to_stop_nobody_waits_for_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(process, "COMMAND", sleeping)
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with closing(Forks()) as start_one, pytest.raises(process.Stopped):
        start_one("script", 1, stop)
