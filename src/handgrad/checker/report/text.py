"""A report as text: lines to blame, correct and missing gradients, notes, errors."""

import io

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from handgrad.checker.records import ReportData, Row
from handgrad.checker.report import words
from handgrad.checker.report.states import MARKS
from handgrad.text import printable

WIDTH = 100  # columns where there is no terminal that has a width
INDENT = 6
STYLES = {"wrong": "red", "shape": "yellow", "exact": "green", "rounding": "green"}


def to_text(report: ReportData, width: int = WIDTH, marks: dict[str, str] = MARKS) -> str:
    """Return the report as plain text, `width` columns wide."""
    return plain(render(report, marks), width)


def plain(rendered: RenderableType, width: int) -> str:
    """Return what rich shows as plain text, `width` columns wide."""
    file = io.StringIO()
    console = Console(
        file=file, width=width, color_system=None, force_terminal=False, force_jupyter=False
    )
    console.print(rendered)
    return "\n".join(line.rstrip() for line in file.getvalue().split("\n"))


def render(report: ReportData, marks: dict[str, str] = MARKS) -> RenderableType:
    """Return the report for a rich console, which sets colours and width."""
    title = Text(printable(report.file), style="bold")
    return Group(title, *body(report, marks), Text(f"\n{words.summary(report)}", style="bold"))


def body(report: ReportData, marks: dict[str, str] = MARKS) -> list[RenderableType]:
    """Return what is between the title and the summary."""
    groups = words.grouped(report)
    parts: list[RenderableType] = []
    for section, rows in (("blame", groups.blame), ("shape", groups.shape)):
        if rows:
            parts += [_title(section), *(_finding(row, report, marks) for row in rows)]
    for section, rows in (("inherited", groups.inherited), ("right", groups.right)):
        if rows:
            parts += [_title(section), _table(rows, marks)]
    for line in filter(None, (words.unwritten(report), words.unreached(report))):
        parts.append(Text(f"\n{line}", style="dim"))
    look = words.marks(report)
    parts += [Text(f"\nTo look at: {', '.join(look)}", style="magenta")] if look else []
    for section, entries in (("notes", words.notes(report)), ("errors", words.errors(report))):
        parts += [_title(section), _listed(entries)] if entries else []
    return parts


def _title(section: str) -> Text:
    return Text(f"\n{words.SECTIONS[section]}", style="bold")


def _finding(row: Row, report: ReportData, marks: dict[str, str]) -> RenderableType:
    """Return a gradient with its line and what is wrong with it."""
    style = STYLES[row.verdict]
    head = Text(f"  {marks[row.verdict]} {words.name(row)}", style=f"bold {style}")
    for part in (words.owner(row), words.places(row), words.shapes(row)):
        head.append(f"   {part}" if part else "", style="not bold default")
    body = [Text(line, style="cyan") for line in words.statement(row)]
    sentences = words.explanation(row)
    if row.cause:
        sentences = [f"{' '.join(sentences)} [{row.cause}]"]
    body += map(Text, sentences)
    body += [Text(line, style="green") for line in words.correction(row)]
    heirs = words.blamed(row, report)
    body += [Text(heirs, style="dim")] if heirs else []
    return Group(head, Padding(Group(*body), (0, 0, 0, INDENT)))


def _table(rows: list[Row], marks: dict[str, str]) -> RenderableType:
    """Return a table with one row for each gradient."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for keep_whole in (True, False, True, True, False):
        table.add_column(no_wrap=keep_whole)
    for row in rows:
        mark = Text(f"  {marks[row.verdict]} {words.name(row)}", style=STYLES[row.verdict])
        details = (words.owner(row), words.places(row), words.shapes(row), words.aside(row))
        table.add_row(mark, *(Text(detail) for detail in details))
    return table


def _listed(entries: list[tuple[str, str]]) -> RenderableType:
    """Return a table of places and texts."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    for where, text in entries:
        table.add_row(Text(f"  {where}"), Text(printable(text)))
    return table
