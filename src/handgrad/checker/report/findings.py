"""A gradient to look at, as a card: its line, what is the matter, what to type, where it is off."""

from handgrad.checker.records import ReportData, Row
from handgrad.checker.report import words
from handgrad.checker.report.markup import Markup, element, lines
from handgrad.checker.report.picture import picture
from handgrad.checker.report.text import MARKS


def finding(row: Row, report: ReportData, anchor: str) -> Markup:
    """The card of one gradient; `anchor` is its id."""
    facts = (words.owner(row), words.places(row), words.shapes(row))
    head = element(
        "div",
        element("span", MARKS[row.verdict], class_="mark", aria_hidden="true"),
        element("b", words.name(row)),
        *(element("span", fact, class_="fact") for fact in facts if fact),
        *([element("span", row.cause, class_="cause")] if row.cause else []),
        class_="head",
    )
    heirs = words.blamed(row, report)
    said = element(
        "div",
        element("pre", element("code", lines(words.statement(row)))),
        *(element("p", sentence) for sentence in words.explanation(row)),
        *_fix(row),
        *([element("p", heirs, class_="quiet")] if heirs else []),
        class_="said",
    )
    figure = [picture(row.spread, words.name(row))] if row.spread else []
    body = element("div", said, *figure, class_="body")
    return element("div", head, body, class_=f"finding {row.verdict}", id=anchor)


def _fix(row: Row) -> list[Markup]:
    """The corrected line; one click selects the whole of it."""
    if row.fix is None:
        return []
    where = f"{words.told(row)}:"
    checked = [element("span", f"(checked: {words.CHECKED[row.checked]})")] if row.checked else []
    code = element("pre", element("code", lines(row.fix.expandtabs(4).split("\n"))))
    return [element("div", element("span", where), code, *checked, class_="fix")]
