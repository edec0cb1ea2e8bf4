"""The grades of a class as CSV (RFC 4180), one row a file, for a spreadsheet.

UTF-8 with a byte order mark, without which Excel takes it for another encoding. A text that a
spreadsheet might run as a formula gets an apostrophe before it: the names in it are a stranger's.
"""

import csv
import io
import re
from collections.abc import Callable, Sequence

from handgrad.checker.report import words
from handgrad.checker.report.file_result import FileResult
from handgrad.checker.report.many import blame, remark, score
from handgrad.text import printable

Cell = str | int | float | None
NO_CAUSE = "?"
"""For a line to blame that no known cause explains, where another line's is known."""
# Also behind a semicolon: where the comma is the decimal sign, spreadsheets split there.
FORMULA = re.compile(r"(^|[;\t\r\n])(\s*)(?=[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])")


def to_csv(checked: Sequence[FileResult]) -> bytes:
    """The sheet, its header first; the rows in the order of the files."""
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in checked:
        writer.writerow([_safe(cell(one)) for cell in COLUMNS.values()])
    return file.getvalue().encode("utf-8-sig")


def _safe(cell: Cell) -> Cell:
    return FORMULA.sub(r"\1\2'", printable(cell)) if isinstance(cell, str) else cell


def _count(verdict: str) -> Callable[[FileResult], Cell]:
    return lambda one: None if one.report is None else one.report.counts[verdict]


def _score(one: FileResult) -> Cell:
    found = score(one)
    return None if found is None else round(found, 4)


def _blame(one: FileResult) -> Cell:
    return "; ".join(map(words.name, blame(one)))


def _causes(one: FileResult) -> Cell:
    causes = [row.cause for row in blame(one)]
    return "; ".join(cause or NO_CAUSE for cause in causes) if any(causes) else ""


COLUMNS: dict[str, Callable[[FileResult], Cell]] = {
    "file": lambda one: one.file,
    "status": lambda one: one.status,
    "score": _score,
    "exact": _count("exact"),
    "rounding": _count("rounding"),
    "shape": _count("shape"),
    "wrong": _count("wrong"),
    "missing": _count("missing"),
    "blame": _blame,
    "causes": _causes,
    "seconds": lambda one: round(one.seconds, 1),
    "message": remark,
}
"""What stands in each column; docs/class.md says it in words."""
