"""The columns of the HTML table of gradients."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from handgrad.checker.records import ReportData, Row
from handgrad.checker.report import words
from handgrad.checker.report.states import STATES, state_of


@dataclass(frozen=True)
class Column:
    """A column: its title, its class in the style sheet, and its text for a gradient."""

    title: str
    style: str | None
    text: Callable[[Row], str]


def used_columns(rows: Collection[Row]) -> list[Column]:
    """Return the columns that have a text for at least one gradient."""
    return [column for column in COLUMNS if any(column.text(row) for row in rows)]


def is_on_card(row: Row) -> bool:
    """Return whether a gradient has a card of its own, above the table."""
    is_unexplained = row.verdict == "wrong" and row.blame is None
    return is_unexplained or row.blame == "root" or row.verdict == "shape"


def card_anchors(report: ReportData, anchors: Mapping[int, str]) -> dict[str | None, str]:
    """Return the anchors of the cards by the name of the gradient, none without `anchors`."""
    rows = enumerate(report.rows) if anchors else ()
    return {row.hand: anchors[i] for i, row in rows if is_on_card(row)}


def _verdict(row: Row) -> str:
    state = state_of(row)
    aside = row.message and state != "inherited" and not is_on_card(row)
    return f"{STATES[state]}. {words.aside(row)}" if aside else STATES[state]


def _error(row: Row) -> str:
    error = row.max_abs_diff
    return "" if not error or row.verdict == "missing" else f"{error:.3g}"


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return ""
    if row.ratio > 1e6:
        return "> 1e6"
    return f"{row.ratio:,.{0 if row.ratio >= 1000 else 1}f}"


COLUMNS = (
    Column("", None, words.owner),
    Column("where", "place", words.places),
    Column("shape", "code", lambda row: words.array(row, row.shape)),
    Column("verdict", "verdict", _verdict),
    Column("off in", "off", lambda row: row.spread.caption if row.spread else ""),
    Column("off by", "number", _error),
    Column("R", "number", _ratio),
)
"""The columns after the mark and the name."""
