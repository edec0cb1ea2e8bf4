"""A class's files: one that hangs or crashes does not affect the others."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from checker.run import fake
from checker.run.test_limits import needs_proc, wait_until_dead
from handgrad.checker.records import CellError, Row
from handgrad.checker.report.file_result import FileResult, FileStatus
from handgrad.checker.report.report import Report
from handgrad.checker.run import many, process
from handgrad.checker.run.many import check_files, default_jobs, status_of
from handgrad.checker.run.sandbox import not_guaranteed
from handgrad.errors import SettingsError

pytestmark = pytest.mark.usefixtures("faked")

ENDS: dict[str, tuple[str, FileStatus, str | None]] = {
    "right.py": ("da = 1", "ok", None),
    "raised.py": ("da = 1\n1 / 0", "raised", None),
    "hung.py": ("da = 1\nwhile True: pass", "timeout", None),
    "hung early.py": (
        "while True: pass\nda = 1",
        "timeout",
        "nothing to check: nothing was graded; line 1 failed: Timeout: still running after 1 s"
        " (--timeout); the rest did not run",
    ),
    "aborted.py": (
        "import os\nda = os.abort()",
        "crashed",
        "Python crashed in the script (SIGABRT), so nothing was graded",
    ),
    "killed.py": (
        "import os\nda = os.kill(os.getpid(), 9)",
        "crashed",
        "Python was killed in the script (SIGKILL, which the system sends when memory runs out), so"
        " nothing was graded",
    ),
    "left.py": (
        "import os\nda = os._exit(3)",
        "crashed",
        "Python exited in the script (status 3, as from os._exit), so nothing was graded",
    ),
    "autograd.py": (
        "x = 1",
        "refused",
        "nothing to check: found no gradient by hand, such as dh for a tensor h."
        " If yours has another name, use --pair NAME=TENSOR",
    ),
    "broken.py": ("da = 1\nx = (", "refused", "line 2: not valid Python: '(' was never closed"),
    "a\nb é.py": ("da = 1", "ok", None),
}


def test_each_file_has_its_own_result(tmp_path: Path) -> None:
    for name, (source, _, _) in ENDS.items():
        (tmp_path / name).write_text(source)
    (tmp_path / "folder").mkdir()
    files = [tmp_path / name for name in (*ENDS, "folder", "gone.py")]
    done = sorted(check_files(files, timeout=1, jobs=2), key=lambda checked: checked.number)
    expected = [(status, message) for _, status, message in ENDS.values()]
    wanted = "expected a notebook (.ipynb) or a script (.py)"
    expected += [
        ("refused", f"is a folder; {wanted}"),
        ("refused", f"no such file; looked for {tmp_path}/gone.py"),
    ]
    assert [(checked.status, checked.message) for checked in done] == expected
    assert [checked.number for checked in done] == list(range(len(files)))
    assert done[len(ENDS) - 1].file == f"{tmp_path}/a\\x0ab é.py"
    graded = [checked.file for checked in done if checked.report is not None]
    assert graded == [done[n].file for n in (0, 1, 2, len(ENDS) - 1)]
    assert all(checked.seconds > 0 for checked in done)


def test_results_come_when_they_are_done(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\nda = 1")
    (tmp_path / "quick.py").write_text("da = 1\nprint('said')")
    begin = time.monotonic()
    with closing(check_files([tmp_path / "slow.py", tmp_path / "quick.py"], jobs=2)) as coming:
        first = next(coming)
    assert (first.number, first.status, first.output) == (1, "ok", "said\n")
    assert time.monotonic() - begin < 30  # the slow one is not waited for


def test_more_files_than_jobs_run_in_turn(tmp_path: Path) -> None:
    """With one job, two files never overlap."""
    source = (
        "import os, time\nassert not os.path.exists('busy')\nopen('busy', 'w').close()\n"
        "time.sleep(0.2)\nos.remove('busy')\nda = 1"
    )
    files = [tmp_path / f"{n}.py" for n in range(3)]
    for file in files:
        file.write_text(source)
    assert {checked.status for checked in check_files(files, jobs=1, sandbox=False)} == {"ok"}


def test_each_runs_in_its_own_folder_on_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    files = [tmp_path / folder / "same.py" for folder in "ab"]
    for file in files:
        file.parent.mkdir()
        file.write_text("import os\nda = 1\nprint(os.getcwd(), os.environ['OMP_NUM_THREADS'])")
    said = {checked.output for checked in check_files(files)}
    assert said == {f"{tmp_path}/a 1\n", f"{tmp_path}/b 1\n"}
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert {checked.output for checked in check_files(files[:1])} == {f"{tmp_path}/a 2\n"}


def test_a_file_named_twice_is_checked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text("da = 1")
    named = ["a.py", "./a.py", str(tmp_path / "a.py")]
    assert [checked.file for checked in check_files(named)] == ["a.py"]


def test_a_process_that_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("da = 1")
    monkeypatch.setattr(process, "COMMAND", ["/no/such/program"])
    (checked,) = check_files([tmp_path / "a.py"])
    assert (checked.status, checked.message) == (
        "crashed",
        "cannot be run: No such file or directory",
    )


@needs_proc
def test_closing_the_generator_ends_running_files(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import os, subprocess, time\nda = 1\nsleeper = subprocess.Popen(['sleep', '60'])\n"
        "open('pids', 'w').write(f'{os.getpid()} {sleeper.pid}')\n"
        "open('ready', 'w').close()\ntime.sleep(60)"
    )
    (tmp_path / "quick.py").write_text(
        "import os, time\nwhile not os.path.exists('ready'): time.sleep(0.01)\nda = 1"
    )
    before, begin = threading.active_count(), time.monotonic()
    files = [tmp_path / "slow.py", tmp_path / "quick.py"]
    with closing(check_files(files, jobs=2, sandbox=False)) as coming:
        assert next(coming).file.endswith("quick.py")
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert all(wait_until_dead(pid) for pid in pids)
    assert threading.active_count() <= before
    assert time.monotonic() - begin < 30  # nobody waits for its minute to pass


INTERRUPTED = """\
file     result     right  wrong  shape  missing  to blame, or what happened
done.py  ok             1      0      0        0
one.py   unchecked
two.py   unchecked
next.py  unchecked

4 files: 1 all correct, 3 not checked.
"""


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_writes_the_results_and_leaves_nothing_running(
    tmp_path: Path, number: signal.Signals
) -> None:
    hang = "import os, time\nda = 1\nopen('NAME.tmp', 'w').write(str(os.getpid()))\n"
    hang += "os.rename('NAME.tmp', 'NAME')\ntime.sleep(60)"
    (tmp_path / "done.py").write_text("da = 1")
    (tmp_path / "next.py").write_text("da = 1")
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(hang.replace("NAME", f"{name}.pid"))
    code = (
        f"import sys; sys.path.append({str(Path(fake.__file__).parent)!r}); import fake;"
        "from handgrad.checker.run import many, process; process.COMMAND = fake.COMMAND;"
        "many.seconded = lambda report, *_, **__: report;"
        "from handgrad.cli import main; main()"
    )
    files = ["done.py", "one.py", "two.py", "next.py"]
    wanted = ["-j", "2", "--csv", "grades.csv", "--json", "all.json", "--no-sandbox"]
    with subprocess.Popen(
        [sys.executable, "-c", code, "check", *files, *wanted],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        end = time.monotonic() + 60
        pid_files = [tmp_path / "one.pid", tmp_path / "two.pid"]
        while not all(file.exists() for file in pid_files) and time.monotonic() < end:
            time.sleep(0.02)
        command.send_signal(number)
        out, err = command.communicate(timeout=60)
    assert command.returncode == 130
    assert out == INTERRUPTED
    line = not_guaranteed(sandbox=False)
    assert err == f"handgrad: {line}\nhandgrad: interrupted: 3 of 4 files not checked\n"
    assert all(wait_until_dead(int(file.read_text())) for file in pid_files)
    rows = (tmp_path / "grades.csv").read_text(encoding="utf-8-sig").splitlines()
    assert [row.split(",")[1] for row in rows] == [
        '"status"', '"ok"', '"unchecked"', '"unchecked"', '"unchecked"',
    ]  # fmt: skip
    assert '"status": "unchecked"' in (tmp_path / "all.json").read_text()
    left = {"done.py", "next.py", "one.py", "two.py", "one.pid", "two.pid"}
    assert {file.name for file in tmp_path.iterdir()} == left | {"grades.csv", "all.json"}


def report(*rows: Row, errors: tuple[CellError, ...] = ()) -> Report:
    return Report("a.py", rows, errors=errors)


LATE = CellError(1, 1, "Timeout: still running after 5 s (--timeout); the rest did not run")


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (report(Row("h", "dh", "exact")), "ok"),
        (report(Row("h", "dh", "rounding"), Row("a", None, "missing")), "unfinished"),
        (report(Row("h", "dh", "shape")), "wrong"),
        (report(Row("h", "dh", "wrong"), errors=(CellError(1, 1, "E"),)), "wrong"),
        (report(Row("h", "dh", "exact"), errors=(CellError(1, 1, "E"),)), "raised"),
        (report(Row("h", "dh", "wrong"), errors=(LATE,)), "timeout"),
    ],
)
def test_the_status_of_a_report(found: Report, status: FileStatus) -> None:
    assert status_of(found) == status


def test_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert [default_jobs(n) for n in (0, 1, 3, 30)] == [1, 1, 3, many.MOST_JOBS]
    with pytest.raises(SettingsError, match=r"^--jobs 0: must be 1 or more$"):
        check_files(["a.py", "b.py"], jobs=0)
    with pytest.raises(SettingsError, match=r"^--timeout 0: must be a number of seconds above 0$"):
        check_files(["a.py"], timeout=0)


def test_a_hint_hides_details() -> None:
    row = Row("h", "dh", "wrong", blame="root", cause="HG104", message="Off.", fix="dh = 1")
    hinted = FileResult(0, "a.py", "wrong", report=report(row)).hinted("where")
    assert hinted.report is not None
    assert hinted.report.rows == (Row("h", "dh", "wrong", blame="root"),)
    assert FileResult(0, "a.py", "refused").hinted("where") == FileResult(0, "a.py", "refused")
