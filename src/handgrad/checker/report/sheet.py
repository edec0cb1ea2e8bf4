"""The grades of a class as CSV (RFC 4180) for a spreadsheet, one row for each file.

UTF-8 with a byte order mark, which Excel needs to recognise the encoding. A text that a spreadsheet
could run as a formula gets an apostrophe in front: it comes from a stranger's file.
"""

import csv
import io
import re
from collections.abc import Callable, Sequence

from handgrad.checker.records import VERDICTS
from handgrad.checker.report import words
from handgrad.checker.report.file_result import FileResult
from handgrad.checker.report.many import blame, problem, score
from handgrad.text import printable

SheetValue = str | int | float | None
NO_CAUSE = "?"
"""For a line to blame without a known cause, if another line has one."""
# Also after a semicolon: with a decimal comma, spreadsheets split there.
FORMULA = re.compile(r"(^|[;\t\r\n])(\s*)(?=[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])")


def to_csv(results: Sequence[FileResult]) -> bytes:
    """Return the sheet: a header, then a row for each file in order."""
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for result in results:
        writer.writerow([_safe(column(result)) for column in COLUMNS.values()])
    return file.getvalue().encode("utf-8-sig")


def _safe(value: SheetValue) -> SheetValue:
    return FORMULA.sub(r"\1\2'", printable(value)) if isinstance(value, str) else value


def _count(verdict: str) -> Callable[[FileResult], SheetValue]:
    return lambda result: None if result.report is None else result.report.counts[verdict]


def _score(result: FileResult) -> SheetValue:
    fraction = score(result)
    return None if fraction is None else round(fraction, 4)


def _blame(result: FileResult) -> SheetValue:
    return "; ".join(map(words.name, blame(result)))


def _causes(result: FileResult) -> SheetValue:
    causes = [row.cause for row in blame(result)]
    return "; ".join(cause or NO_CAUSE for cause in causes) if any(causes) else ""


def _present(result: FileResult) -> SheetValue:
    exercise = None if result.report is None else result.report.exercise
    return "" if exercise is None else f"{exercise.present} of {exercise.asked}"


def _forward(result: FileResult) -> SheetValue:
    exercise = None if result.report is None else result.report.exercise
    if exercise is None:
        return ""
    return "as in the exercise" if exercise.same_forward else "differs"


def _confirmed(result: FileResult) -> SheetValue:
    second = None if result.report is None else result.report.seconded
    return "" if second is None else f"{second.confirmed} of {second.right}"


def _marks(result: FileResult) -> SheetValue:
    return "" if result.report is None else "; ".join(words.marks(result.report))


COLUMNS: dict[str, Callable[[FileResult], SheetValue]] = {
    "file": lambda result: result.file,
    "status": lambda result: result.status,
    "score": _score,
    **{verdict: _count(verdict) for verdict in VERDICTS},
    "blame": _blame,
    "causes": _causes,
    "from_autograd": lambda result: None if result.report is None else result.report.copied,
    "present": _present,
    "forward": _forward,
    "confirmed": _confirmed,
    "marks": _marks,
    "seconds": lambda result: round(result.seconds, 1),
    "message": problem,
}
"""The value of each column; docs/class.md describes them."""
