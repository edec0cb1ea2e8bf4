"""`check_files`: check a class's files, each in its own process, several at a time."""

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from handgrad.checker.report.file_result import FileResult, FileStatus
from handgrad.checker.report.report import Report
from handgrad.checker.run.deadline import TIMED_OUT
from handgrad.checker.run.exercised import Exercise, read_exercise, with_exercise
from handgrad.checker.run.process import Forks, fresh
from handgrad.checker.run.run import (
    CHECK,
    TIMEOUT,
    isolated,
    require_settings,
    run_source,
    unpacked,
)
from handgrad.checker.run.second import seconded
from handgrad.checker.run.source import read_source
from handgrad.errors import CheckError, LostError, SettingsError
from handgrad.processors import available
from handgrad.text import printable

MOST_JOBS = 8  # a process with torch takes about 0.4 GB: this many fit into a laptop


def each_once(files: Iterable[str | Path]) -> list[str | Path]:
    """Return the files without those that are named a second time, by whatever path."""
    first: dict[str, str | Path] = {}
    for file in files:
        first.setdefault(os.path.abspath(file), file)
    return list(first.values())


def default_jobs(n_files: int) -> int:
    """Return the number of files, but no more than there are CPUs for this process, or 8."""
    return max(1, min(n_files, available(), MOST_JOBS))


def required_jobs(jobs: int) -> int:
    """Return `jobs`. Raises SettingsError if it is below 1."""
    if jobs < 1:
        raise SettingsError(f"--jobs {jobs}: must be 1 or more")
    return jobs


def check_files(
    files: Iterable[str | Path],
    pairs: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
    max_steps: int | None = None,
    jobs: int | None = None,
    whole: bool = False,
    arguments: Sequence[str] = (),
    sandbox: bool | None = None,
    exercise: str | Path | None = None,
) -> Generator[FileResult, None, None]:
    """Check each of `files` as `check_file` does, `jobs` at a time; yield each when it is done.

    Each file runs on one thread, so that its result does not depend on `jobs`. A file that cannot
    be checked does not raise: its FileResult says why. Closing the generator ends all processes
    that are still running. `whole` and `arguments` are those of check_file. `sandbox`: run each in
    a sandbox, where there is one if None. `exercise` is the file of the exercise that they are
    compared with. Raises SettingsError at once for invalid settings.
    """
    require_settings(timeout, max_steps)
    named = each_once(files)
    jobs = default_jobs(len(named)) if jobs is None else required_jobs(jobs)
    settings = {
        "pairs": pairs,
        "max_steps": max_steps,
        "arguments": arguments,
        "whole": whole,
        "isolation": isolated(sandbox, jobs, [Path(file) for file in named]),
    }
    task = None if exercise is None else read_exercise(exercise)
    return _check_all(named, timeout, jobs, settings, task)


def _check_all(
    files: Sequence[str | Path],
    timeout: float,
    jobs: int,
    settings: Mapping[str, Any],
    exercise: Exercise | None,
) -> Generator[FileResult, None, None]:
    """Check `files`, forking their children from one server if there are several."""
    forks = Forks()
    start = forks if len(files) > 1 else partial(fresh, alone=False)

    def check(number: int, file: str | Path, stop: threading.Event) -> FileResult:
        begin = time.monotonic()
        try:
            source = read_source(file)
            answer, output = run_source(
                source, CHECK, timeout, stop=stop, start=start, evidence=True, **settings
            )
            report = unpacked(source, answer, "report", Report)
            report = with_exercise(report, source, exercise)
            isolation = settings["isolation"]
            report = seconded(report, answer, timeout, stop=stop, start=start, isolation=isolation)
        except (CheckError, OSError) as error:
            return failed(number, file, time.monotonic() - begin, error)
        return graded(number, file, time.monotonic() - begin, report, output)

    with closing(forks):
        yield from _as_completed(files, check, jobs)


def _as_completed(
    files: Sequence[str | Path],
    check: Callable[[int, str | Path, threading.Event], FileResult],
    jobs: int,
) -> Generator[FileResult, None, None]:
    """Check on threads, each waiting for one child, so that this thread can receive Ctrl-C."""
    stop = threading.Event()
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="handgrad-check")
    try:
        running = [pool.submit(check, number, file, stop) for number, file in enumerate(files)]
        for future in as_completed(running):
            yield future.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def graded(
    number: int, file: str | Path, seconds: float, report: Report, output: str = ""
) -> FileResult:
    """Return the result for a file that has a report."""
    shown = printable(str(file))
    return FileResult(number, shown, status_of(report), seconds, report, output=output)


def failed(
    number: int, file: str | Path, seconds: float, error: CheckError | OSError
) -> FileResult:
    """Return the result for a file that has no report."""
    shown = printable(str(file))
    if isinstance(error, OSError):  # no process, no file handle or no disk space for this one
        message = f"cannot be run: {error.strerror or error}"
        return FileResult(number, shown, "crashed", seconds, message=message)
    status: FileStatus = "refused"
    if isinstance(error, LostError):
        status = "timeout" if error.timed_out else "crashed"
    elif TIMED_OUT in str(error):  # it stopped in time, before there was anything to grade
        status = "timeout"
    return FileResult(number, shown, status, seconds, message=_without_file(str(error), shown))


def status_of(report: Report) -> FileStatus:
    """Return the worst that a report has to say about its file."""
    if any(error.error.startswith(TIMED_OUT) for error in report.errors):
        return "timeout"
    if not report.ok:
        return "wrong"
    if report.errors:
        return "raised"
    if report.suspect:
        return "suspect"
    return "unfinished" if report.counts["missing"] else "ok"


def _without_file(message: str, shown: str) -> str:
    """Return `message` without the file's name: `s.py:3: ...` becomes `line 3: ...`."""
    if not message.startswith(f"{shown}:"):
        return message
    rest = message.removeprefix(f"{shown}:")
    return rest.strip() if rest.startswith(" ") else f"line {rest}"
