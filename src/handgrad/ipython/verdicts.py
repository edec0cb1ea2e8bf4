"""A cell's verdicts as they follow it: HTML in a notebook, plain text in a console.

One line that counts; below it what is wrong, with its lines; what is right is folded.
"""

import io
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from handgrad.checker.records import Hint, Report
from handgrad.checker.report import text, words

STYLE = """
.handgrad-cell { margin: 0.3em 0; }
.handgrad-cell > summary { cursor: pointer; font: 14px/1.5 system-ui, sans-serif; }
.handgrad-cell > summary b { font-weight: 600; }
.handgrad-cell > summary .bad { color: #d33; }
.handgrad-cell > summary .good { color: #2a2; }
.handgrad-cell > div { margin-left: 1em; overflow-x: auto; }
"""


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "shown", self.report.hinted(self.level))

    @property
    def line(self) -> str:
        """`handgrad: 24 exact · 1 wrong`."""
        counts = self.report.counts
        found = [f"{counts[v]} {words.COUNTED[v]}" for v in _ORDER if counts[v]]
        same = f" (as after {self.again})" if self.again else ""
        return f"handgrad: {' · '.join(found)}{same}"

    def text(self) -> str:
        """The line, and unless it is all said what is wrong or worth knowing."""
        if self.whole:
            return self.shown.to_text(self.width).rstrip("\n")
        if self.again:
            return self.line
        rows = tuple(r for r in self.shown.rows if r.verdict in ("wrong", "shape"))
        aside = replace(self.shown, rows=rows)
        return _rendered(Group(Text(self.line), *text.body(aside)), self.width)

    def html(self) -> str:
        """The line, and folded below it the report: open where something is wrong."""
        opened = "" if self.report.ok or self.again else " open"
        mark, kind = ("✓", "good") if self.report.ok else ("✗", "bad")
        head = f'<span class="{kind}">{mark}</span> {escape(self.line)}'
        return (
            f'<details class="handgrad-cell"{opened}><style>{STYLE}</style>'
            f"<summary>{head}</summary><div>{self.shown.to_html()}</div></details>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.text(), "text/html": self.html()}


_ORDER = ("exact", "rounding", "shape", "wrong")


def _rendered(what: RenderableType, width: int) -> str:
    file = io.StringIO()
    console = Console(
        file=file, width=width, color_system=None, force_terminal=False, force_jupyter=False
    )
    console.print(what)
    return "\n".join(line.rstrip() for line in file.getvalue().rstrip("\n").split("\n"))
