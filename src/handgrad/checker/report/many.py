"""A class's results: their JSON, and what they add up to."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

from handgrad.checker.records import Row
from handgrad.checker.report import words
from handgrad.checker.report.file_result import STATUSES, FileResult, FileStatus
from handgrad.checker.report.report import Report
from handgrad.text import printable

VERSION = 1
MOST_BLAMED = 5


def to_json(results: Sequence[FileResult]) -> dict[str, Any]:
    """Return all results in order, each as the JSON of one file with three more keys."""
    return {
        "version": VERSION,
        "counts": counts(results),
        "files": [_file(result) for result in results],
    }


def _file(result: FileResult) -> dict[str, Any]:
    """Return one file; if nothing was graded, the keys are the same and their values empty."""
    report = result.report or Report(result.file, ())
    return {
        **report.to_json(),
        "ok": report.ok and result.report is not None,
        "status": result.status,
        "seconds": round(result.seconds, 1),
        "error": result.message,
        "marks": [] if result.report is None else words.marks(result.report),
    }


def counts(results: Sequence[FileResult]) -> dict[FileStatus, int]:
    """Return the number of files with each status."""
    return {status: sum(result.status == status for result in results) for status in STATUSES}


def blame(result: FileResult) -> list[Row]:
    """Return the lines to blame in one file."""
    return [] if result.report is None else words.grouped(result.report).blame


def problem(result: FileResult) -> str:
    """Return why nothing was graded, or the first error of the file, or nothing."""
    if result.message is not None:
        return printable(result.message)
    if result.report is None or not result.report.errors:
        return ""
    first, more = result.report.errors[0], len(result.report.errors) - 1
    where = words.error_place(first)
    also = f" (and {more} more)" if more else ""
    return printable(f"{where}: {first.error}{also}" if where else f"{first.error}{also}")


def score(result: FileResult) -> float | None:
    """Return the fraction of all gradients that are correct; None if nothing was graded.

    All are those of the file or, if it has an exercise that asks for more, of the exercise. What
    autograd computed does not count as correct.
    """
    if result.report is None:
        return None
    report = result.report
    right = report.counts["exact"] + report.counts["rounding"] - report.copied
    asked = 0 if report.exercise is None else report.exercise.asked
    return right / (max(sum(report.counts.values()), asked) or 1)


def summary(results: Sequence[FileResult]) -> str:
    """Return one line: `30 files: 12 all correct, 17 with wrong gradients, 1 out of time.`"""
    parts = (f"{n} {STATUSES[status]}" for status, n in counts(results).items() if n)
    return f"{words.counted(len(results), 'file')}: {', '.join(parts)}."


def most_blamed(results: Sequence[FileResult]) -> str:
    """Return the gradients that are to blame in most files, if any is in more than one."""
    names = (dict.fromkeys(map(words.name, blame(result))) for result in results)
    files = Counter(chain.from_iterable(names))
    often = [f"{name} in {n}" for name, n in files.most_common(MOST_BLAMED) if n > 1]
    return f"Most often to blame: {', '.join(often)} files." if often else ""
