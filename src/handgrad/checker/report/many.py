"""A class's files, checked: what is said of each, the JSON of all, and what they come to."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from handgrad.checker.records import VERDICTS, Row
from handgrad.checker.report import words
from handgrad.checker.report.file_result import STATUSES, FileResult, FileStatus
from handgrad.text import printable

VERSION = 1
MOST_BLAMED = 5


def to_json(checked: Sequence[FileResult]) -> dict[str, Any]:
    """All of them, in their order; each the JSON of one file with three keys more."""
    return {
        "version": VERSION,
        "counts": counts(checked),
        "files": [_file(one) for one in checked],
    }


def _file(one: FileResult) -> dict[str, Any]:
    """One file; where nothing was graded, the same keys with nothing in them."""
    nothing: dict[str, Any] = {
        "version": VERSION,
        "file": one.file,
        "ok": False,
        "counts": dict.fromkeys(VERDICTS, 0),
        "gradients": [],
        "notes": [],
        "errors": [],
    }
    found = nothing if one.report is None else one.report.to_json()
    return {**found, "status": one.status, "seconds": round(one.seconds, 1), "error": one.message}


def counts(checked: Sequence[FileResult]) -> dict[FileStatus, int]:
    """How many files have each status."""
    return {status: sum(one.status == status for one in checked) for status in STATUSES}


def blame(one: FileResult) -> list[Row]:
    """The lines to blame in one file, as its own report has them."""
    return [] if one.report is None else words.grouped(one.report).blame


def remark(one: FileResult) -> str:
    """Why nothing was graded, or what the file raised first; empty where there is neither."""
    if one.message is not None:
        return printable(one.message)
    if one.report is None or not one.report.errors:
        return ""
    first, more = one.report.errors[0], len(one.report.errors) - 1
    where = words.error_place(first)
    also = f" (and {more} more)" if more else ""
    return printable(f"{where}: {first.error}{also}" if where else f"{first.error}{also}")


def score(one: FileResult) -> float | None:
    """The part of the gradients to be written that are right; None where nothing was graded."""
    if one.report is None:
        return None
    found = one.report.counts
    return (found["exact"] + found["rounding"]) / (sum(found.values()) or 1)


def summary(checked: Sequence[FileResult]) -> str:
    """All of it in a line: `30 files: 12 all right, 17 with wrong gradients, 1 out of time.`"""
    found = counts(checked)
    listed = ", ".join(f"{n} {STATUSES[status]}" for status, n in found.items() if n)
    return f"{len(checked)} file{'' if len(checked) == 1 else 's'}: {listed}."


def most_blamed(checked: Sequence[FileResult]) -> str:
    """The gradients that are to blame in most files, or nothing where no two share one."""
    files = Counter(name for one in checked for name in dict.fromkeys(map(words.name, blame(one))))
    often = [f"{name} in {n}" for name, n in files.most_common(MOST_BLAMED) if n > 1]
    return f"To blame most often: {', '.join(often)} files." if often else ""
