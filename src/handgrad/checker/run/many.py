"""`check_files`: a class's work, each file in a process of its own, several at a time."""

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from handgrad.checker.records import Hint, Report
from handgrad.checker.run.deadline import STRUCK
from handgrad.checker.run.process import Forks, Start, fresh
from handgrad.checker.run.run import TIMEOUT, asked, require_settings
from handgrad.checker.run.source import read_source
from handgrad.checker.run.wire import unpack
from handgrad.errors import CheckError, LostError, SettingsError
from handgrad.processors import available
from handgrad.text import printable

Status = Literal[
    "ok", "unfinished", "wrong", "raised", "timeout", "crashed", "refused", "unchecked"
]
STATUSES: dict[Status, str] = {
    "ok": "all right",
    "unfinished": "right as far as written",
    "wrong": "with wrong gradients",
    "raised": "that raised something",
    "timeout": "out of time",
    "crashed": "crashed",
    "refused": "not gradable",
    "unchecked": "not checked",
}
"""What becomes of a file, and how that is said of a number of files."""
MOST_JOBS = 8  # a process takes some 0.4 GB with torch in it: so many fit into a laptop


@dataclass(frozen=True)
class Checked:
    """What became of one file of many.

    `report` is None where nothing was graded; `message` then says why, in one line without the
    file's name. `number` counts the files as they were given, from 0; `seconds` are its own.
    """

    number: int
    file: str
    status: Status
    seconds: float = 0.0
    report: Report | None = None
    message: str | None = None
    output: str = ""

    def hinted(self, level: Hint) -> "Checked":
        """Return it as somebody sees it who asked for no more than `level`."""
        report = None if self.report is None else self.report.hinted(level)
        return replace(self, report=report)


def each_once(files: Iterable[str | Path]) -> list[str | Path]:
    """The files without those that are named a second time, by whatever path."""
    first: dict[str, str | Path] = {}
    for file in files:
        first.setdefault(os.path.abspath(file), file)
    return list(first.values())


def default_jobs(n_files: int) -> int:
    """As many as there are processors for this process, files, and memory in a laptop."""
    return max(1, min(n_files, available(), MOST_JOBS))


def required_jobs(jobs: int) -> int:
    """Return `jobs`. Raises SettingsError where it is no number of files."""
    if jobs < 1:
        raise SettingsError(f"--jobs {jobs}: must be 1 or more")
    return jobs


def check_files(
    files: Iterable[str | Path],
    pairs: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
    max_steps: int | None = None,
    jobs: int | None = None,
) -> Generator[Checked, None, None]:
    """Check each of `files` as `check_file` does, `jobs` at a time; yield them as they are done.

    Each runs on one thread, so that its grade does not hang on `jobs`. Whatever becomes of a file
    is in its own Checked, none raises. Closing the generator ends what
    still runs, with all that it started. Raises SettingsError, at once, for settings that cannot
    work.
    """
    require_settings(timeout, max_steps)
    named = each_once(files)
    jobs = default_jobs(len(named)) if jobs is None else required_jobs(jobs)
    settings = {"pairs": dict(pairs or {}), "max_steps": max_steps, "timeout": timeout}

    return _with_forks(named, settings, jobs)


def _with_forks(
    files: Sequence[str | Path], settings: Mapping[str, Any], jobs: int
) -> Generator[Checked, None, None]:
    """Fork the children of several files from one server; a single file has nothing to share."""
    forks = Forks()
    start = forks if len(files) > 1 else partial(fresh, alone=False)

    def check(number: int, file: str | Path, stop: threading.Event) -> Checked:
        return _checked(number, file, settings, stop, start)

    with closing(forks):
        yield from _as_they_come(files, check, jobs)


def _as_they_come(
    files: Sequence[str | Path],
    check: Callable[[int, str | Path, threading.Event], Checked],
    jobs: int,
) -> Generator[Checked, None, None]:
    """Threads wait, each for one child at a time; this one stays free for a Ctrl-C."""
    stop = threading.Event()
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="handgrad-check")
    try:
        running = [pool.submit(check, number, file, stop) for number, file in enumerate(files)]
        for future in as_completed(running):
            yield future.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _checked(
    number: int,
    file: str | Path,
    settings: Mapping[str, Any],
    stop: threading.Event,
    start: Start,
) -> Checked:
    begin = time.monotonic()
    try:
        answer, output = asked(read_source(file), settings, stop, start)
    except (CheckError, OSError) as error:
        return failed(number, file, time.monotonic() - begin, error)
    return graded(number, file, time.monotonic() - begin, unpack(answer["report"]), output)


def graded(
    number: int, file: str | Path, seconds: float, report: Report, output: str = ""
) -> Checked:
    """Return what became of a file of which there is a report."""
    shown = printable(str(file))
    return Checked(number, shown, status_of(report), seconds, report, output=output)


def failed(number: int, file: str | Path, seconds: float, error: CheckError | OSError) -> Checked:
    """Return what became of a file of which there is none."""
    shown = printable(str(file))
    if isinstance(error, OSError):  # no process, no file handle, no disk left for this one
        message = f"cannot be run: {error.strerror or error}"
        return Checked(number, shown, "crashed", seconds, message=message)
    status: Status = "refused"
    if isinstance(error, LostError):
        status = "timeout" if error.timed_out else "crashed"
    elif STRUCK in str(error):  # it came to its end, but not to anything that could be graded
        status = "timeout"
    return Checked(number, shown, status, seconds, message=_bare(str(error), shown))


def status_of(report: Report) -> Status:
    """What a report comes to; the worst of it counts."""
    if any(error.error.startswith(STRUCK) for error in report.errors):
        return "timeout"
    if not report.ok:
        return "wrong"
    if report.errors:
        return "raised"
    return "unfinished" if report.counts["missing"] else "ok"


def _bare(message: str, shown: str) -> str:
    """`message` without the file's name, which stands beside it: `s.py:3: ...` is `line 3: ...`."""
    if not message.startswith(f"{shown}:"):
        return message
    rest = message.removeprefix(f"{shown}:")
    return rest.strip() if rest.startswith(" ") else f"line {rest}"
