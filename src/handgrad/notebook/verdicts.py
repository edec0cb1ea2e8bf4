"""The verdicts shown after a cell: HTML in a notebook, plain text in a console.

One line of counts, below it the wrong gradients with their lines; correct ones are folded.
Gradients that are out of date come first: their cells must run again before they can be judged.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from markupsafe import Markup
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from handgrad.checker.records import Hint, Row
from handgrad.checker.report import text, words
from handgrad.checker.report.report import Report
from handgrad.checker.report.templates import render, style_sheet
from handgrad.notebook.stale import StaleRow
from handgrad.text import printable

STYLE = """
.handgrad.handgrad-cell { margin: 0.3em 0; }
.handgrad.handgrad-cell > summary { color: inherit; margin: 0; }
.handgrad-cell > div { margin-left: 1.1em; overflow-x: auto; }
.handgrad-cell .handgrad > .sum { display: none; }
.handgrad-cell .stale { border-left: 4px solid var(--amber); padding-left: 1em; }
"""
"""The line of counts is the summary of the fold, so the report does not repeat it."""
OUT_OF_DATE = "out of date"
INCOMPLETE = "not complete yet"
MARKS = {"right": ("✓", "exact"), "stale": ("!", "shape"), "wrong": ("✗", "wrong")}
"""The mark of each state, and its class in the report's style sheet."""


@dataclass(frozen=True)
class Verdicts:
    """What is shown after a cell. `again` names an earlier cell with the same verdicts, if any.

    With `whole` the text shows every row; otherwise it only counts the correct ones.
    """

    report: Report
    level: Hint
    again: str | None = None
    whole: bool = False
    width: int = 100
    shown: Report = field(init=False)
    """The report at this level of detail, without gradients that are out of date."""
    stale: dict[str, list[Row]] = field(init=False)
    """The gradients that are out of date, by their message."""

    def __post_init__(self) -> None:
        rows = self.report.rows
        current = replace(self.report, rows=tuple(r for r in rows if not isinstance(r, StaleRow)))
        stale: dict[str, list[Row]] = {}
        for row in rows:
            if isinstance(row, StaleRow):
                stale.setdefault(row.message or "", []).append(row)
        object.__setattr__(self, "shown", current.hinted(self.level))
        object.__setattr__(self, "stale", stale)

    @property
    def line(self) -> str:
        """`handgrad: 24 exact · 1 wrong`."""
        done = tuple(row for row in self.shown.rows if not row.unfinished)
        counts = replace(self.shown, rows=done).counts
        parts = [f"{counts[v]} {words.COUNTED[v]}" for v in _ORDER if counts[v]]
        n_open = len(self.shown.rows) - len(done)
        parts += [f"{n_open} {INCOMPLETE}"] if n_open else []
        n_stale = sum(map(len, self.stale.values()))
        parts += [f"{n_stale} {OUT_OF_DATE}"] if n_stale else []
        same = f" (same as after {self.again})" if self.again else ""
        return f"handgrad: {' · '.join(parts)}{same}"

    def text(self) -> str:
        """Return the line, and unless another cell had the same, the wrong gradients and notes."""
        if self.again:
            return self.line
        stale = [Text(""), *map(_as_text, self.stale.items())] if self.stale else []
        if self.whole and self._is_written:
            return text.plain(Group(text.render(self.shown), *stale), self.width).rstrip("\n")
        rows = tuple(r for r in self.shown.rows if r.verdict in ("wrong", "shape") or r.unfinished)
        aside = replace(self.shown, rows=rows)
        verdicts = Group(Text(self.line), *stale, *text.body(aside))
        return text.plain(verdicts, self.width).rstrip("\n")

    def html(self) -> str:
        """Return the line and the report folded below it, unfolded if something is wrong."""
        mark, mark_style = MARKS[self._state]
        style = Markup(STYLE) if self._is_written else style_sheet("style.css") + Markup(STYLE)
        return render(
            "cell.html",
            is_open=not (self.report.ok or self.again),
            style=style,
            mark=mark,
            mark_style=mark_style,
            line=self.line,
            stale=[(_names(rows), message) for message, rows in self.stale.items()],
            report=Markup(self.shown.to_html()) if self._is_written else "",
        )

    @property
    def _is_written(self) -> bool:
        return any(row.hand for row in self.shown.rows)

    @property
    def _state(self) -> str:
        if self.report.ok:
            return "right"
        return "stale" if self.shown.ok else "wrong"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.text(), "text/html": self.html()}


_ORDER = ("exact", "rounding", "shape", "wrong")


def _as_text(stale: tuple[str, list[Row]]) -> RenderableType:
    message, rows = stale
    return Padding(Text(f"{_names(rows)}: {printable(message)}"), (0, 0, 0, 2))


def _names(rows: list[Row]) -> str:
    return words.names(map(words.name, rows))
