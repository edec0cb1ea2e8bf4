"""The verdicts of a kernel so far: shown after a cell, shown again, or all of them at once."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from handgrad.checker.records import Hint, Note, Row
from handgrad.checker.report.report import Report
from handgrad.checker.scalars.check import check_engines, may_define_engine
from handgrad.errors import CheckError
from handgrad.notebook.source import CellText

if TYPE_CHECKING:
    from handgrad.notebook.watch import Watch

DEFAULT: Hint = "what"
REFUSALS = {
    "nothing to check: no gradient is written by hand": "",
    "nothing to check: no loss was computed from named tensors": (
        "no forward pass with a loss was recorded for these gradients; run its cells again"
    ),
}
"""How a notebook words the checker's refusals; it does not show an empty one."""
ASSIGNED = re.compile(r"^\s*(\w+)\s*[-+*/@]?=[^=]", re.MULTILINE)
UNWATCHED = "the code after {} in In [{}] was not recorded, so its gradients are not graded"


class Journal:
    """The verdicts since the extension was loaded. `names` is the user's namespace."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.level = DEFAULT
        self._names = names
        self._rows: dict[tuple[str | None, str], Row] = {}
        self._last: Report | None = None
        self._after = ""
        self._noted: set[tuple[str, ...]] = set()
        self._refusal = ""

    def follow(self, watch: "Watch", cell: CellText, pairs: Mapping[str, str]) -> None:
        """Show the verdicts of the cell that has just run, if it set gradients by hand."""
        from handgrad.notebook.grading import defines_gradients, grade

        if watch.unwatched and self._defines(cell.raw):
            self._refuse(UNWATCHED.format(watch.unwatched, cell.number))
        if not defines_gradients(watch.events, watch.recorder.trace, pairs):
            return None
        name = f"In [{cell.number}]"
        try:
            report = grade(watch.session, watch.start, name)
        except CheckError as refusal:
            reason = str(refusal).removeprefix(f"{name}: ")
            return self._refuse(REFUSALS.get(reason, reason))
        if any(row.hand for row in report.rows):
            self._refusal = ""
            self._take(report)
        return None

    def judge_engines(self, cell: CellText) -> None:
        """Show the verdicts on the operations of an engine that the cell has just defined."""
        if not may_define_engine(cell.raw):
            return
        engines = check_engines([(cell.number, cell.raw)], self._names)
        if engines.rows:
            self._take(engines.report(f"In [{cell.number}]"))

    def show_last(self) -> str | None:
        """Show the last verdicts at the current level; return what to print if there are none."""
        if self._last is None:
            return f"handgrad: level set to {self.level}; no gradient by hand so far"
        _display(self._last, self.level)
        return None

    def show_whole(self) -> str | None:
        """Show the latest verdict on every gradient; return what to print if there are none."""
        rows = [row for row in self._rows.values() if self._is_there(row.hand or "")]
        if not rows or self._last is None:
            return "handgrad: no gradient by hand so far"
        missing = [row for row in self._last.rows if row.hand is None]
        written = {row.node for row in rows}
        rows += [row for row in missing if row.node not in written]
        _display(Report("so far", tuple(rows), self._last.notes), self.level, whole=True)
        return None

    def _defines(self, source: str) -> bool:
        """Return whether a cell sets a name that looks like the gradient of another."""
        from handgrad.checker.record.gradient_names import hand_names

        names = set(ASSIGNED.findall(source))
        return not names.isdisjoint(hand_names(names | self._names.keys()))

    def _is_there(self, hand: str) -> bool:
        return hand in self._names or not hand.isidentifier()

    def _refuse(self, reason: str) -> None:
        """Print why a cell's gradients are not graded, unless the last cell had the same reason."""
        if reason and reason != self._refusal:
            print(f"handgrad: {reason}")
        self._refusal = reason

    def _take(self, report: Report) -> None:
        notes = tuple(note for note in report.notes if _key(note) not in self._noted)
        self._noted.update(map(_key, notes))
        report = replace(report, notes=notes)
        for row in report.rows:
            if row.hand is not None:
                self._rows[row.hand, row.node] = row
        same = self._last is not None and not notes and _verdicts(self._last) == _verdicts(report)
        again = self._after if same else None
        self._after = self._after if same else report.file
        self._last = report
        _display(report, self.level, again)


def _key(note: Note) -> tuple[str, ...]:
    """Return what identifies a note wherever its cell is now."""
    return note.code, note.node or "", note.message


def _verdicts(report: Report) -> list[tuple[Any, ...]]:
    return [(r.hand, r.node, r.verdict, r.statement, r.message) for r in report.rows if r.hand]


def _display(report: Report, level: Hint, again: str | None = None, whole: bool = False) -> None:
    from IPython.display import display

    from handgrad.notebook.verdicts import Verdicts

    width = min(100, shutil.get_terminal_size((100, 24)).columns)
    display(Verdicts(report, level, again, whole, width))  # type: ignore[no-untyped-call]
