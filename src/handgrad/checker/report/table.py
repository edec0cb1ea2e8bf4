"""A class's files as a table, one row for each file."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from handgrad.checker.records import Row
from handgrad.checker.report import many, words
from handgrad.checker.report.file_result import FileResult
from handgrad.checker.report.text import plain

STYLES = {
    "ok": "green",
    "unfinished": "green",
    "wrong": "red",
    "suspect": "yellow",
    "raised": "yellow",
}
BAD = "magenta"  # for files that were not completely graded
COUNTED = ("right", "wrong", "shape", "missing")
HEADS = ("file", "result", *COUNTED, "to blame, or what happened")
WIDEST = 10_000  # columns: outside a terminal each file is one line, for grep


def to_text(results: Sequence[FileResult]) -> str:
    """Return the table as plain text."""
    return plain(render(results), WIDEST)


def render(results: Sequence[FileResult]) -> RenderableType:
    """Return the table for a rich console, with the totals below it."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for head in HEADS:
        table.add_column(head, justify="right" if head in COUNTED else "left", overflow="fold")
    for result in results:
        status = Text(result.status, style=STYLES.get(result.status, BAD))
        cells = map(Text, counts(result))
        table.add_row(Text(result.file), status, *cells, Text(remark(result)))
    below = [many.summary(results), many.most_blamed(results)]
    return Group(table, Text(), *(Text(line, style="bold") for line in below if line))


def counts(result: FileResult) -> list[str]:
    """Return the columns of COUNTED; they are empty if nothing was graded."""
    if result.report is None:
        return [""] * len(COUNTED)
    verdicts = result.report.counts
    right = verdicts["exact"] + verdicts["rounding"]
    return [str(n) for n in (right, verdicts["wrong"], verdicts["shape"], verdicts["missing"])]


def remark(result: FileResult) -> str:
    """Return the lines to correct with their causes, then the first error or refusal."""
    misshapen = [] if result.report is None else words.grouped(result.report).shape
    marks = [] if result.report is None else words.marks(result.report)
    blamed = ", ".join(map(_blamed, [*many.blame(result), *misshapen]))
    parts = [blamed, ", ".join(marks), many.problem(result)]
    return "; ".join(part for part in parts if part)


def _blamed(row: Row) -> str:
    where = words.places(row)
    cause = row.cause or ("shape" if row.verdict == "shape" else None)
    about = ": ".join(part for part in (where, cause) if part)
    return f"{words.name(row)} ({about})" if about else words.name(row)
