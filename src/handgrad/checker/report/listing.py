"""The user's source, with a mark at each line that computes a gradient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from handgrad.checker.records import Listing, Place, ReportData
from handgrad.checker.report.states import STATES, state_of
from handgrad.checker.report.words import counted

NEAR = 3
"""This many lines around a gradient stay visible; the others are folded."""
FOLDED = 400
"""More lines than this are left out instead of folded."""


@dataclass(frozen=True)
class SourceLine:
    """A line, the rows of the gradients that it computes by their place, and their worst state."""

    number: int
    text: str
    rows: tuple[int, ...]
    state: str | None


@dataclass(frozen=True)
class LineBlock:
    """Consecutive lines, visible or folded; a block that is left out has no lines."""

    is_folded: bool
    caption: str
    lines: tuple[SourceLine, ...]


def blocks_of(listing: Listing, report: ReportData) -> list[LineBlock]:
    """Return the lines of a source in blocks; folded blocks of blank lines are left out."""
    texts = listing.text.splitlines()
    marked = _marked(listing, texts, report)
    near = {n + d for n in marked for d in range(-NEAR, NEAR + 1)}
    lines = [_line(n, text, marked.get(n, ()), report) for n, text in enumerate(texts, 1)]
    blocks: list[LineBlock] = []
    for is_visible, group in groupby(lines, key=lambda line: line.number in near):
        block = tuple(group)
        if is_visible or any(line.text.strip() for line in block):
            is_left_out = not is_visible and len(block) > FOLDED
            caption = counted(len(block), "line")
            blocks.append(LineBlock(not is_visible, caption, () if is_left_out else block))
    return blocks


def _line(number: int, text: str, rows: Sequence[int], report: ReportData) -> SourceLine:
    states = sorted((state_of(report.rows[i]) for i in rows), key=list(STATES).index)
    shown = text.expandtabs(4).rstrip() or " "
    return SourceLine(number, shown, tuple(rows), states[0] if states else None)


def _marked(
    listing: Listing, texts: Sequence[str], report: ReportData
) -> Mapping[int, Sequence[int]]:
    """Return the rows to mark at each line.

    Two functions that are checked together may have the same line numbers, so the text of the
    line has to agree, too.
    """
    marked: dict[int, list[int]] = {}
    for i, row in enumerate(report.rows):
        first = (row.statement or "").strip().split("\n")[0]
        if row.place is None or not first or not _is_at(first, row.place, listing, texts):
            continue
        to_blame = [place.line for place in row.places if place.cell == listing.cell]
        for line in dict.fromkeys(to_blame or [row.place.line]):
            marked.setdefault(line, []).append(i)
    return marked


def _is_at(first: str, place: Place, listing: Listing, texts: Sequence[str]) -> bool:
    is_inside = place.cell == listing.cell and 0 < place.line <= len(texts)
    return is_inside and first in texts[place.line - 1]
