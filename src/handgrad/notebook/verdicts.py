"""A cell's verdicts as they follow it: HTML in a notebook, plain text in a console.

One line that counts; below it what is wrong, with its lines; what is right is folded. What is out
of date comes first: it is to be run again before anything of it is judged.
"""

import io
from dataclasses import dataclass, field, replace
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from handgrad.checker.records import Hint, Row
from handgrad.checker.report import text, words
from handgrad.checker.report.html import style_sheet
from handgrad.checker.report.markup import Markup, element
from handgrad.checker.report.report import Report
from handgrad.notebook.stale import Dated
from handgrad.text import printable

STYLE = """
.handgrad.handgrad-cell { margin: 0.3em 0; }
.handgrad.handgrad-cell > summary { color: inherit; margin: 0; }
.handgrad-cell > div { margin-left: 1.1em; overflow-x: auto; }
.handgrad-cell .handgrad > .sum { display: none; }
.handgrad-cell .dated { border-left: 4px solid var(--amber); padding-left: 1em; }
"""
"""The line of counts is the summary that all else is folded below, not said twice."""
DATED = "out of date"
MARKS = {"right": ("✓", "exact"), "dated": ("!", "shape"), "wrong": ("✗", "wrong")}
"""And the class of each in the report's own style."""


@dataclass(frozen=True)
class Verdicts:
    """What a cell is followed by. `again`: the cell with the very same verdicts, if there is one.

    `whole` shows every row in text, too, where else what is right is but counted.
    """

    report: Report
    level: Hint
    again: str | None = None
    whole: bool = False
    width: int = 100
    shown: Report = field(init=False)
    """The report as it may be seen at this level, without what is out of date."""
    dated: dict[str, list[Row]] = field(init=False)
    """The gradients that are out of date, by what is said of them."""

    def __post_init__(self) -> None:
        rows = self.report.rows
        current = replace(self.report, rows=tuple(r for r in rows if not isinstance(r, Dated)))
        dated: dict[str, list[Row]] = {}
        for row in rows:
            if isinstance(row, Dated):
                dated.setdefault(row.message or "", []).append(row)
        object.__setattr__(self, "shown", current.hinted(self.level))
        object.__setattr__(self, "dated", dated)

    @property
    def line(self) -> str:
        """`handgrad: 24 exact · 1 wrong`."""
        counts = self.shown.counts
        found = [f"{counts[v]} {words.COUNTED[v]}" for v in _ORDER if counts[v]]
        old = sum(map(len, self.dated.values()))
        found += [f"{old} {DATED}"] if old else []
        same = f" (as after {self.again})" if self.again else ""
        return f"handgrad: {' · '.join(found)}{same}"

    def text(self) -> str:
        """The line, and unless it is all said what is wrong or worth knowing."""
        if self.again:
            return self.line
        old = [Text(""), *map(_told, self.dated.items())] if self.dated else []
        if self.whole and self._is_written:
            return _rendered(Group(text.render(self.shown), *old), self.width)
        rows = tuple(row for row in self.shown.rows if row.verdict in ("wrong", "shape"))
        aside = replace(self.shown, rows=rows)
        return _rendered(Group(Text(self.line), *old, *text.body(aside)), self.width)

    def html(self) -> str:
        """The line, and folded below it the report: open where something is wrong."""
        mark, kind = MARKS[self._state]
        parts = [*map(_paragraph, self.dated.items())]
        parts += [Markup(self.shown.to_html())] if self._is_written else []
        return element(
            "details",
            element(
                "style", Markup(STYLE if self._is_written else style_sheet("style.css") + STYLE)
            ),
            element("summary", element("span", mark, class_=f"mark {kind}"), self.line),
            element("div", *parts),
            class_="handgrad handgrad-cell",
            **({} if self.report.ok or self.again else {"open": ""}),
        )

    @property
    def _is_written(self) -> bool:
        return any(row.hand for row in self.shown.rows)

    @property
    def _state(self) -> str:
        if self.report.ok:
            return "right"
        return "dated" if self.shown.ok else "wrong"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.text(), "text/html": self.html()}


_ORDER = ("exact", "rounding", "shape", "wrong")


def _told(dated: tuple[str, list[Row]]) -> RenderableType:
    said, rows = dated
    return Padding(Text(f"{_names(rows)}: {printable(said)}"), (0, 0, 0, 2))


def _paragraph(dated: tuple[str, list[Row]]) -> Markup:
    said, rows = dated
    return element("p", element("b", _names(rows)), f" {DATED}: ", printable(said), class_="dated")


def _names(rows: list[Row]) -> str:
    return words.names(map(words.name, rows))


def _rendered(what: RenderableType, width: int) -> str:
    file = io.StringIO()
    console = Console(
        file=file, width=width, color_system=None, force_terminal=False, force_jupyter=False
    )
    console.print(what)
    return "\n".join(line.rstrip() for line in file.getvalue().rstrip("\n").split("\n"))
