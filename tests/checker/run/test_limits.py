"""Files that hang or crash: the answer comes in time, and nothing is left running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from checker.run import fake
from checker.run.conftest import Writer
from handgrad.checker.records import CellError
from handgrad.checker.run import process, run
from handgrad.checker.run.run import check_file
from handgrad.errors import CheckError, SettingsError

pytestmark = pytest.mark.usefixtures("faked")


def refusal(path: Path, timeout: float = 60) -> str:
    with pytest.raises(CheckError) as caught:
        check_file(path, timeout=timeout)
    return str(caught.value).removeprefix(f"{path}: ")


HUNG = {
    "in Python": "import time\nwhile True:\n    time.sleep(0.01)",
    "in a lock": "import threading\nnever = threading.Event()\nnever.wait()",
    "in a guarded loop": "def f():\n  try:\n    while True: pass\n  except Exception: pass\nf()",
}


@pytest.mark.parametrize("hung", HUNG.values(), ids=HUNG)
def test_a_hung_cell_is_named_and_the_rest_graded(notebook: Writer, hung: str) -> None:
    report = check_file(notebook("da = 1", hung, "db = 1"), timeout=0.5).report
    assert [row.hand for row in report.rows] == ["da"]
    assert report.errors == (
        CellError(2, 3, "Timeout: still running after 0.5 s (--timeout); the rest did not run"),
    )


def test_a_hung_script(tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    path.write_text("da = 1\nwhile True:\n    pass\n")
    report = check_file(path, timeout=0.5).report
    assert [row.hand for row in report.rows] == ["da"]
    assert report.errors[0].cell is None
    assert report.errors[0].line in (2, 3)


STUBBORN = {
    "swallows all": "import time\nwhile True:\n    try:\n        time.sleep(0.1)\n    except: pass",
    "in C": "import hashlib\nhashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)",
    "deaf": "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass",
}


@pytest.mark.parametrize("stubborn", STUBBORN.values(), ids=STUBBORN)
def test_code_that_does_not_stop_is_graded_while_it_runs(notebook: Writer, stubborn: str) -> None:
    report = check_file(notebook("da = 1", stubborn), timeout=0.5).report
    assert [row.hand for row in report.rows] == ["da"]
    assert [(error.cell, error.error) for error in report.errors] == [
        (2, "Timeout: still running after 0.5 s (--timeout); the rest did not run")
    ]
    last = len(stubborn.split("\n"))
    assert report.errors[0].line in range(2, last + 1)


def test_code_that_never_returns_to_python_is_killed(
    notebook: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "GRACE", 1.0)
    deaf = "import itertools\nsum(itertools.repeat(1, 10**12))"  # keeps all threads waiting
    assert refusal(notebook("da = 1", deaf), timeout=0.5) == (
        "Python was still running in cell 2 (--timeout 0.5) and did not stop, so nothing was graded"
    )


@pytest.mark.parametrize(
    ("death", "line"),
    [
        ("import os; os._exit(0)", "exited in cell 2 (status 0, as from os._exit)"),
        ("import os; os._exit(3)", "exited in cell 2 (status 3, as from os._exit)"),
        (
            "import os; os.kill(os.getpid(), 9)",
            "was killed in cell 2 (SIGKILL, which the system sends when memory runs out)",
        ),
        ("import os; os.kill(os.getpid(), 15)", "was killed in cell 2 (SIGTERM)"),
        ("import os; os.abort()", "crashed in cell 2 (SIGABRT)"),
        ("import ctypes; ctypes.string_at(0)", "crashed in cell 2 (SIGSEGV)"),
    ],
)
def test_deaths(notebook: Writer, death: str, line: str) -> None:
    assert refusal(notebook("da = 1", death)) == f"Python {line}, so nothing was graded"


def test_the_last_output_is_reported(notebook: Writer) -> None:
    death = "import os, sys\nprint('one', file=sys.stderr)\nprint('\\x1b[31mtwo\\n')\nos._exit(1)"
    assert refusal(notebook("da = 1", death)) == (
        "Python exited in cell 2 (status 1, as from os._exit), so nothing was graded;"
        ' its last output: "\\x1b[31mtwo"'
    )


def test_out_of_memory_is_the_users_error_where_python_sees_it(notebook: Writer) -> None:
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))\n"
    report = check_file(notebook("da = 1", limit + "x = bytearray(2**33)", "db = 1")).report
    assert [row.hand for row in report.rows] == ["da", "db"]
    assert report.errors == (CellError(2, 3, "MemoryError"),)


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_dead(pid: int) -> bool:
    end = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_alive(pid)


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="reads /proc to see which processes live"
)


@needs_proc
def test_processes_that_the_file_started_are_ended(notebook: Writer, tmp_path: Path) -> None:
    start = (
        "import subprocess\n"
        "sleeper = subprocess.Popen(['sleep', '60'])\n"
        "open('pid', 'w').write(str(sleeper.pid))"
    )
    begin = time.monotonic()
    check_file(notebook("da = 1", start))
    assert wait_until_dead(int((tmp_path / "pid").read_text()))
    assert time.monotonic() - begin < 30  # sleep holds the output pipe; nobody waits for it


@needs_proc
def test_the_child_ends_with_its_parent(notebook: Writer, tmp_path: Path) -> None:
    path = notebook(
        "import os, time\nda = 1\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)"
    )
    code = (
        f"import sys; sys.path.append({str(Path(fake.__file__).parent)!r}); import fake;"
        "from handgrad.checker.run import process, run; process.COMMAND = fake.COMMAND;"
        f"run.check_file({str(path)!r})"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        pid_file = tmp_path / "pid"
        end = time.monotonic() + 20
        while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < end:
            time.sleep(0.02)
        parent.send_signal(signal.SIGKILL)
    assert wait_until_dead(int(pid_file.read_text()))


def with_fake(code: str) -> list[str]:
    """Return the fake child's command; it runs `code` before it serves a request."""
    return [
        *fake.COMMAND[:-1],
        fake.COMMAND[-1].replace("from handgrad", f"\n{code}\nfrom handgrad"),
    ]


def test_grading_has_its_own_limit(notebook: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = "import time\nfake.Session.finish = lambda *_: time.sleep(60)"
    monkeypatch.setattr(process, "COMMAND", with_fake(slow))
    monkeypatch.setattr(process, "GRACE", 0.3)
    monkeypatch.setattr(run, "GRADING", 0.3)
    assert refusal(notebook("da = 1"), timeout=0.1) == (
        "Python was still running while grading (its limit is 0.3 s) and did not stop,"
        " so nothing was graded"
    )


COUNTING = """
import builtins, time
finish = fake.Session.finish
def watch(*arguments):
    before = builtins.n
    time.sleep(0.3)
    assert builtins.n == before, "the user's code went on while it was graded"
    return finish(*arguments)
fake.Session.finish = watch
"""


def test_code_that_does_not_stop_is_paused_while_it_is_graded(
    notebook: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = "  try:\n    while True:\n      builtins.n += 1; time.sleep(0.001)\n  except: pass"
    monkeypatch.setattr(process, "COMMAND", with_fake(COUNTING))
    source = f"import builtins, time\nbuiltins.n = 0\nwhile True:\n{loop}"
    assert check_file(notebook("da = 1", source), timeout=0.5).report.ok


@pytest.mark.parametrize("part", ["finish", "transform"])
def test_a_failure_of_handgrad_is_one_line(
    part: str, notebook: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "COMMAND", with_fake(f"fake.Session.{part} = lambda *_: 1 / 0"))
    assert refusal(notebook("da = 1")) == (
        "handgrad itself failed, please report it: ZeroDivisionError: division by zero"
        " (at <string>:2)"
    )


def test_a_very_long_limit(notebook: Writer) -> None:
    outcome = check_file(notebook("da = 1"), timeout=1e300)
    assert (outcome.report.ok, outcome.output) == (True, "")


def test_a_closed_standard_output(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("import sys\nda = 1\nsys.stdout.close()\n")
    assert check_file(tmp_path / "s.py").report.errors == ()


@pytest.mark.usefixtures("fresh_children")
def test_a_python_that_does_not_start(notebook: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "COMMAND", [sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(process, "STARTUP", 0.3)
    assert refusal(notebook("da = 1")) == (
        "Python did not start within 0.3 s, so nothing was graded"
    )


def test_a_python_that_dies_at_once(notebook: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "COMMAND", [sys.executable, "-c", "raise SystemExit('no torch')"])
    assert refusal(notebook("da = 1")) == (
        "Python exited before it ran any code (status 1, as from os._exit),"
        ' so nothing was graded; its last output: "no torch"'
    )


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"timeout": 0}, "--timeout 0: must be a number of seconds above 0"),
        ({"timeout": float("nan")}, "--timeout nan: must be a number of seconds above 0"),
        ({"timeout": float("inf")}, "--timeout inf: must be a number of seconds above 0"),
        ({"max_steps": 0}, "--max-steps 0: must be 1 or more"),
    ],
)
def test_invalid_settings(notebook: Writer, settings: dict[str, float], line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_file(notebook("da = 1"), **settings)  # type: ignore[arg-type]
    assert str(caught.value) == line


def test_this_process_keeps_its_folder_and_environment(notebook: Writer) -> None:
    before = os.getcwd(), dict(os.environ)
    check_file(notebook("import os\nda = os.chdir('/')"))
    assert (os.getcwd(), dict(os.environ)) == before
