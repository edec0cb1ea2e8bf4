"""`handgrad.Report`: the result of a check, which prints itself and converts to JSON and HTML.

The renderers are imported when they are first used: the process that runs a checked file builds a
Report and never shows it.
"""

from dataclasses import replace
from typing import Any, Self

from handgrad.checker.records import Hint, ReportData, Row
from handgrad.checker.report.words import WRONG_SHAPE


class Report(ReportData):
    """The result of a check. `print(report)` shows it as text, Jupyter shows it as HTML.

    `rows` are the gradients, each with its verdict. `ok` is False if one of them is wrong or has
    the wrong shape. `counts` has the number of gradients with each verdict.
    """

    def hinted(self, level: Hint) -> Self:
        """Return the report with no more detail than `level`.

        "where" names the lines to blame, "what" adds the causes, "fix" adds the corrected lines.
        """
        rows = tuple(_hinted(row, level) for row in self.rows)
        notes = self.notes
        if level == "where":  # this note says how to correct the shape
            notes = tuple(note for note in notes if note.code != WRONG_SHAPE)
        return replace(self, rows=rows, notes=notes)

    def to_json(self) -> dict[str, Any]:
        """Return what `handgrad check --json` writes, as dicts and lists (docs/check.md)."""
        from handgrad.checker.report.jsonform import to_json

        return to_json(self)

    def to_text(self, width: int = 100) -> str:
        """Return the report as plain text, `width` columns wide."""
        from handgrad.checker.report.text import to_text

        return to_text(self, width)

    def to_html(self, page: bool = False) -> str:
        """Return the report as an HTML fragment, or as a whole page that opens offline."""
        from handgrad.checker.report.html import to_html

        return to_html(self, page)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        """Return what Jupyter shows."""
        return self.to_html()


def _hinted(row: Row, level: Hint) -> Row:
    if level == "fix":
        return row
    row = replace(row, fix=None, fix_at=None, fix_adds=False, checked=None)
    is_explained = row.blame == "root" or row.verdict == "shape"
    return replace(row, cause=None, message=None) if level == "where" and is_explained else row
