"""A report as HTML: a fragment for below a cell, or a page that opens offline.

The fragment says what is to be done and folds the rest; the page shows all there is: the graph,
every gradient, the user's lines. Neither has a script, nor loads anything. Anchors are numbers, and
whatever a notebook says passes `markup.text`, so that no name or statement of it can run.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from zlib import crc32

from handgrad.checker.records import ReportData, Row
from handgrad.checker.report import words
from handgrad.checker.report.findings import finding
from handgrad.checker.report.gradients import gradients, pairs
from handgrad.checker.report.graph import graph
from handgrad.checker.report.listing import listings
from handgrad.checker.report.markup import Markup, element, joined, text
from handgrad.checker.report.text import MARKS
from handgrad.checker.report.words import SECTIONS

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
RATIO = element(
    "p",
    "R: the distance from the truth, in units of what rounding explains.",
    class_="quiet ratio",
)
ACCIDENT = "Right by accident"
POLICY = "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"


def to_html(report: ReportData, page: bool = False) -> str:
    """The report as one fragment, or as a whole page that opens offline."""
    return _page(report) if page else _fragment(report)


def _fragment(report: ReportData) -> str:
    anchors = _anchors(report)
    drawn, rows = graph(report, anchors), _written(report)
    found = [
        (element("p", title, class_="quiet title") if title != SECTIONS["blame"] else "", *parts)
        for title, parts in _findings(report, anchors)
        if parts
    ]
    folded = [
        (f"Every gradient ({len(rows)})", _every(report, anchors)),
        ("The graph", [drawn] if drawn else []),
        *_tail(report),
    ]
    return element(
        "div",
        element("style", style_sheet("style.css")),
        _summary(report, element("code", report.file), " "),
        *(part for parts in found for part in parts),
        *(element("details", element("summary", t), *parts) for t, parts in folded if parts),
        class_="handgrad",
    )


def _page(report: ReportData) -> str:
    anchors = _anchors(report)
    drawn = graph(report, anchors)
    beside = [
        ("Every gradient", _every(report, anchors)),
        ("The lines", listings(report, anchors)),
        *_tail(report),
    ]
    body = element(
        "main",
        element("header", element("h1", report.file), _summary(report)),
        *_sections(_findings(report, anchors)),
        element(
            "div",
            *_sections([("The graph", [drawn] if drawn else [])]),
            element("div", *_sections(beside), class_="rest"),
            class_="wide",
        ),
        class_="handgrad page",
    )
    style = joined([style_sheet("style.css"), style_sheet("page.css")])
    return PAGE.format(
        policy=POLICY.format(hash=b64encode(sha256(style.encode()).digest()).decode()),
        title=text(f"{report.file}: gradients by hand"),
        style=style,
        body=body,
    )


def _sections(sections: Sequence[tuple[str, Sequence[str]]]) -> list[Markup]:
    return [element("section", element("h2", title), *parts) for title, parts in sections if parts]


def _summary(report: ReportData, *before: str) -> Markup:
    mark, state = (MARKS["exact"], "exact") if report.ok else (MARKS["wrong"], "wrong")
    sign = element("span", mark, class_=f"mark {state}", aria_hidden="true")
    return element("p", sign, *before, words.summary(report), class_="sum")


def _tail(report: ReportData) -> list[tuple[str, list[Markup]]]:
    """Notes and errors."""
    errors = [(words.error_place(error), error.error) for error in report.errors]
    listed = (("notes", words.notes(report)), ("errors", errors))
    return [(SECTIONS[key], [pairs(SECTIONS[key], many)] if many else []) for key, many in listed]


def _findings(report: ReportData, anchors: Mapping[int, str]) -> list[tuple[str, list[Markup]]]:
    """What is to be looked at, under its heading: cards, and what inherits from none of them."""
    groups = words.grouped(report)
    number = {id(row): i for i, row in enumerate(report.rows)}
    accidents = [row for row in groups.right if row.blame == "root"]
    loose = {number[id(row)]: row for row in groups.inherited}
    cards = [
        (title, [finding(row, report, anchors[number[id(row)]]) for row in rows])
        for title, rows in (
            (SECTIONS["blame"], groups.blame),
            (SECTIONS["shape"], groups.shape),
            (ACCIDENT, accidents),
        )
    ]
    rest = [gradients(report, loose, {})] if loose else []
    return [*cards, (SECTIONS["inherited"], rest)]


def _written(report: ReportData) -> dict[int, Row]:
    """The gradients that there are, by their place in the report."""
    return {i: row for i, row in enumerate(report.rows) if row.verdict != "missing"}


def _every(report: ReportData, anchors: Mapping[int, str]) -> list[Markup]:
    """The table of the gradients that there are, and the names of those that are not."""
    rows, missing = _written(report), words.grouped(report).missing
    said = f"Not written yet: {words.names(map(words.name, missing))}"
    return [
        *([gradients(report, rows, anchors), RATIO] if rows else []),
        *([element("p", said, class_="quiet")] if missing else []),
    ]


def _anchors(report: ReportData) -> dict[int, str]:
    """An anchor for each row, by its place: unlike those of other reports in the same notebook."""
    own = crc32(repr(report).encode(errors="replace"))
    return {i: f"hg{own:08x}-{i}" for i in _written(report)}


@cache
def style_sheet(name: str) -> Markup:
    """Our own style sheet; nothing of the user's gets into it."""
    return Markup(files(__package__).joinpath(name).read_text("utf-8"))
