"""A class's files as a table, one row a file."""

import io
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from handgrad.checker.records import Row
from handgrad.checker.report import many, words
from handgrad.checker.report.file_result import FileResult

STYLES = {"ok": "green", "unfinished": "green", "wrong": "red", "raised": "yellow"}
BAD = "magenta"  # of the files that were not graded to their end
COUNTED = ("right", "wrong", "shape", "missing")
HEADS = ("file", "result", *COUNTED, "to blame, or what happened")
WIDEST = 10_000  # columns: off a terminal a file is a line, however long, so that grep finds it


def to_text(checked: Sequence[FileResult]) -> str:
    """The table as plain text."""
    file = io.StringIO()
    console = Console(file=file, width=WIDEST, color_system=None, force_terminal=False)
    console.print(render(checked))
    return "\n".join(line.rstrip() for line in file.getvalue().split("\n"))


def render(checked: Sequence[FileResult]) -> RenderableType:
    """The table for any rich console, what it all comes to below it."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for head in HEADS:
        table.add_column(head, justify="right" if head in COUNTED else "left", overflow="fold")
    for one in checked:
        style = STYLES.get(one.status, BAD)
        status = Text(one.status, style=style)
        table.add_row(Text(one.file), status, *map(Text, counts(one)), Text(said(one)))
    below = [many.summary(checked), many.most_blamed(checked)]
    return Group(table, Text(), *(Text(line, style="bold") for line in below if line))


def counts(one: FileResult) -> list[str]:
    """What stands in the columns of COUNTED; nothing where nothing was graded."""
    if one.report is None:
        return [""] * len(COUNTED)
    found = one.report.counts
    right = found["exact"] + found["rounding"]
    return [str(number) for number in (right, found["wrong"], found["shape"], found["missing"])]


def said(one: FileResult) -> str:
    """The lines to mend with their causes, and what the file raised or why it was not graded."""
    bent = [] if one.report is None else words.grouped(one.report).shape
    parts = [", ".join(map(_blamed, [*many.blame(one), *bent])), many.remark(one)]
    return "; ".join(part for part in parts if part)


def _blamed(row: Row) -> str:
    where = words.places(row)
    why = row.cause or ("shape" if row.verdict == "shape" else None)
    about = ": ".join(part for part in (where, why) if part)
    return f"{words.name(row)} ({about})" if about else words.name(row)
