"""The user's own lines, with a mark at each that makes a gradient."""

from collections.abc import Mapping, Sequence

from handgrad.checker.records import Listing, Place, ReportData, Row
from handgrad.checker.report import words
from handgrad.checker.report.graph import STATES, state_of
from handgrad.checker.report.markup import Markup, element, joined
from handgrad.checker.report.text import MARKS

NEAR = 3
"""So many lines around a gradient stay in sight; others are folded, or left out if very many."""
FOLDED = 400
Marked = dict[int, list[int]]
"""The rows, by their place in the report, that are marked at each line."""


def listings(report: ReportData, targets: Mapping[int, str]) -> list[Markup]:
    """Each source that gradients stand in. `targets` are the anchors of the rows."""
    return [_listing(listing, report, targets) for listing in report.listings]


def _listing(listing: Listing, report: ReportData, targets: Mapping[int, str]) -> Markup:
    lines = listing.text.splitlines()
    marked = _marked(listing, lines, report)
    near = {n + d for n in marked for d in range(-NEAR, NEAR + 1)}
    parts: list[Markup] = []
    far: list[int] = []
    for number in range(1, len(lines) + 1):
        if number in near:
            parts += _folded(far, lines)
            far = []
            parts.append(_line(number, lines[number - 1], marked.get(number, ()), report, targets))
        else:
            far.append(number)
    parts += _folded(far, lines)
    title = [] if listing.cell is None else [element("h3", f"Cell {listing.cell}")]
    return element("div", *title, element("div", *parts, class_="lines"), class_="listing")


def _marked(listing: Listing, lines: Sequence[str], report: ReportData) -> Marked:
    """Functions checked together may count their lines alike, so the text has to agree."""
    found: Marked = {}
    for i, row in enumerate(report.rows):
        first = (row.statement or "").strip().split("\n")[0]
        if row.place is None or not first or not _stands(first, row.place, listing, lines):
            continue
        own = [place.line for place in row.places if place.cell == listing.cell]
        for line in dict.fromkeys(own or [row.place.line]):
            found.setdefault(line, []).append(i)
    return found


def _stands(first: str, place: Place, listing: Listing, lines: Sequence[str]) -> bool:
    inside = place.cell == listing.cell and 0 < place.line <= len(lines)
    return inside and first in lines[place.line - 1]


def _line(
    number: int,
    source: str,
    own: Sequence[int],
    report: ReportData,
    targets: Mapping[int, str],
) -> Markup:
    rows = [(report.rows[i], targets[i]) for i in own]
    states = sorted((state_of(row) for row, _ in rows), key=list(STATES).index)
    return element(
        "div",
        element("span", str(number), class_="no"),
        element("span", *(_mark(row, target) for row, target in rows), class_="marks"),
        element("code", source.expandtabs(4).rstrip() or " "),
        class_=f"ln {states[0]}" if states else "ln",
    )


def _mark(row: Row, target: str) -> Markup:
    said = f"{words.name(row)}: {STATES[state_of(row)]}"
    return element("a", MARKS[row.verdict], href=f"#{target}", title=said, aria_label=said)


def _folded(numbers: Sequence[int], lines: Sequence[str]) -> list[Markup]:
    """Lines that make no gradient, behind one that says how many they are."""
    said = f"{len(numbers)} line{'' if len(numbers) == 1 else 's'}"
    if not any(lines[n - 1].strip() for n in numbers):
        return []
    if len(numbers) > FOLDED:
        return [element("div", f"{said} not shown", class_="more")]
    inner = joined(_line(n, lines[n - 1], (), ReportData("", ()), {}) for n in numbers)
    return [element("details", element("summary", said), inner)]
