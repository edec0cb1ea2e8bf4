"""A report as HTML: a fragment to show below a cell, or a page that opens offline.

The fragment shows what needs attention and folds the rest. The page shows everything: the graph,
every gradient, the source. Neither contains a script or loads anything. Anchors are numbers, and
templates.py escapes every text of a notebook.
"""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from zlib import crc32

from markupsafe import Markup

from handgrad.checker.records import ReportData, Row
from handgrad.checker.report import words
from handgrad.checker.report.gradients import card_anchors, is_on_card, used_columns
from handgrad.checker.report.graph import draw_graph
from handgrad.checker.report.listing import blocks_of
from handgrad.checker.report.picture import draw_picture
from handgrad.checker.report.states import MARKS, STATE_MARKS, STATES, state_of
from handgrad.checker.report.templates import render, style_sheet

POLICY = "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"


def to_html(report: ReportData, page: bool = False) -> str:
    """Return the report as one fragment, or as a whole page that opens offline."""
    style = style_sheet("style.css")
    if not page:
        return render("fragment.html", style=style, **_values(report))
    style += style_sheet("page.css")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = POLICY.format(hash=digest)
    return render("page.html", style=style, policy=Markup(policy), **_values(report))


def _values(report: ReportData) -> dict[str, Any]:
    """Return what fragment.html and page.html need."""
    groups = words.grouped(report)
    cards = {
        words.SECTIONS["blame"]: groups.blame,
        words.SECTIONS["shape"]: groups.shape,
        words.SECTIONS["accident"]: [row for row in groups.right if row.blame == "root"],
    }
    number = {id(row): i for i, row in enumerate(report.rows)}
    return {
        **FUNCTIONS,
        "report": report,
        "anchors": _anchors(report),
        "cards": {t: {number[id(r)]: r for r in rows} for t, rows in cards.items() if rows},
        "loose": {number[id(row)]: row for row in groups.inherited},
    }


def _written(report: ReportData) -> Mapping[int, Row]:
    """Return the gradients that are written, by their place in the report."""
    return {i: row for i, row in enumerate(report.rows) if row.verdict != "missing"}


def _anchors(report: ReportData) -> dict[int, str]:
    """Return an anchor for each row; other reports in the same notebook have other anchors."""
    checksum = crc32(repr(report).encode(errors="replace"))
    return {i: f"hg{checksum:08x}-{i}" for i in _written(report)}


FUNCTIONS: dict[str, Any] = {
    "words": words,
    "marks": MARKS,
    "states": STATES,
    "state_marks": STATE_MARKS,
    "state_of": state_of,
    "is_on_card": is_on_card,
    "card_anchors": card_anchors,
    "used_columns": used_columns,
    "written": _written,
    "blocks_of": blocks_of,
    "draw_graph": draw_graph,
    "draw_picture": draw_picture,
}
"""What the templates call."""
