"""The tables of a report's HTML: every gradient, notes, errors."""

from collections.abc import Callable, Mapping, Sequence

from handgrad.checker.records import ReportData, Row
from handgrad.checker.report import words
from handgrad.checker.report.graph import STATES, state_of
from handgrad.checker.report.markup import Markup, element, joined
from handgrad.checker.report.text import MARKS

Cell = Callable[[Row, ReportData, Mapping[int, str]], str]


def gradients(report: ReportData, rows: Mapping[int, Row], anchors: Mapping[int, str]) -> Markup:
    """One line a gradient. `rows` and `anchors` are by their place in the report.

    A row whose anchor is elsewhere, on the card of a finding, leads there.
    """
    shown = [(i, [cell(row, report, anchors) for _, _, cell in COLUMNS]) for i, row in rows.items()]
    used = [k for k in range(len(COLUMNS)) if any(cells[k] for _, cells in shown)]
    head = [element("th", COLUMNS[k][0], scope="col", class_=COLUMNS[k][1]) for k in used]
    first = [element("td"), element("th", "gradient", scope="col")]
    lines = [_line(i, report.rows[i], cells, used, anchors) for i, cells in shown]
    table = element(
        "table",
        element("thead", element("tr", *first, *head)),
        element("tbody", *lines),
    )
    return element("div", table, class_="scroll", tabindex="0")


def pairs(title: str, entries: Sequence[tuple[str, str]]) -> Markup:
    """What is said in one column, of what in the one before; a row without a place has no head."""
    lines = [
        element(
            "tr", element("th", where, scope="row") if where else element("td"), element("td", said)
        )
        for where, said in entries
    ]
    return element("table", element("tbody", *lines), class_="pairs", aria_label=title)


def _line(
    i: int, row: Row, cells: Sequence[str], used: Sequence[int], anchors: Mapping[int, str]
) -> Markup:
    state, name = state_of(row), words.name(row)
    on_card = is_finding(row)
    link = element("a", name, href=f"#{anchors[i]}") if on_card and anchors else name
    return element(
        "tr",
        element("td", MARKS[row.verdict], class_="mark", aria_hidden="true"),
        element("th", link, scope="row"),
        *(element("td", cells[k], class_=COLUMNS[k][1]) for k in used),
        class_=state,
        id=None if on_card else anchors.get(i),
    )


def is_finding(row: Row) -> bool:
    """Tell whether a gradient is shown on a card of its own."""
    loose = row.verdict == "wrong" and row.blame is None
    return loose or row.blame == "root" or row.verdict == "shape"


def _verdict(row: Row, report: ReportData, anchors: Mapping[int, str]) -> str:
    if state_of(row) != "inherited":
        aside = "" if is_finding(row) or not row.message else words.aside(row)
        return f"{STATES[state_of(row)]}. {aside}" if aside else STATES[state_of(row)]
    places = {r.hand: anchors[i] for i, r in enumerate(report.rows) if is_finding(r) and anchors}
    roots = [
        element("a", root, href=f"#{places[root]}") if root in places else root
        for root in row.blamed_on
    ]
    return joined(["inherits from ", joined(roots, ", ")]) if roots else STATES["inherited"]


def _off(row: Row) -> str:
    far = row.max_abs_diff
    return "" if not far or row.verdict == "missing" else f"{far:.3g}"


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return ""
    if row.ratio > 1e6:
        return "> 1e6"
    return f"{row.ratio:,.{0 if row.ratio >= 1000 else 1}f}"


COLUMNS: tuple[tuple[str, str | None, Cell], ...] = (
    ("", None, lambda row, report, anchors: words.owner(row)),
    ("where", "place", lambda row, report, anchors: words.places(row)),
    ("shape", "code", lambda row, report, anchors: words.array(row, row.shape)),
    ("verdict", "verdict", _verdict),
    ("off in", "off", lambda row, report, anchors: row.spread.caption if row.spread else ""),
    ("off by", "number", lambda row, report, anchors: _off(row)),
    ("R", "number", lambda row, report, anchors: _ratio(row)),
)
"""After the mark and the name; a column in which nothing stands is left out."""
