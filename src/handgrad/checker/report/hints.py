"""Less of a report, for readers who want to find the mistake themselves."""

from dataclasses import replace
from typing import TypeVar

from handgrad.checker.records import Hint, ReportData, Row
from handgrad.checker.report.words import WRONG_SHAPE

AnyReport = TypeVar("AnyReport", bound=ReportData)


def hinted(report: AnyReport, level: Hint) -> AnyReport:
    """Return `report` with no more detail than `level`.

    "where" names the lines to blame, "what" adds the causes, "fix" adds the corrected lines.
    """
    rows = tuple(_hinted(row, level) for row in report.rows)
    notes = report.notes
    if level == "where":  # this note says how to correct the shape
        notes = tuple(note for note in notes if note.code != WRONG_SHAPE)
    return replace(report, rows=rows, notes=notes)


def _hinted(row: Row, level: Hint) -> Row:
    if level == "fix":
        return row
    row = replace(row, fix=None, fix_at=None, fix_adds=False, checked=None)
    is_explained = row.blame == "root" or row.verdict == "shape"
    return replace(row, cause=None, message=None) if level == "where" and is_explained else row
