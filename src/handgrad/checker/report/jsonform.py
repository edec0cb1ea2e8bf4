"""The JSON of a report, version 1: keys and their order do not change, as programs parse it."""

from dataclasses import asdict
from typing import Any

from handgrad.checker.records import Note, Place, ReportData, Row
from handgrad.files import finite_or_none


def to_json(report: ReportData) -> dict[str, Any]:
    """Return `report` as dicts and lists; docs/check.md describes each key."""
    return {
        "version": report.version,
        "file": report.file,
        "ok": report.ok,
        "counts": report.counts,
        "gradients": [_gradient(row) for row in report.rows],
        "notes": [_note(note) for note in report.notes],
        "errors": [asdict(error) for error in report.errors],
    }


def _gradient(row: Row) -> dict[str, Any]:
    return {
        "node": row.node,
        "hand": row.hand,
        **_place(row.place),
        "verdict": row.verdict,
        "blame": row.blame,
        "shape": _list(row.shape),
        "expected_shape": _list(row.expected_shape),
        "max_abs_diff": finite_or_none(row.max_abs_diff),
        "ratio": finite_or_none(row.ratio),
        "cause": row.cause,
        "message": row.message,
        "fix": row.fix,
    }


def _note(note: Note) -> dict[str, Any]:
    return {
        "code": note.code,
        "node": note.node,
        **_place(note.place),
        "message": note.message,
    }


def _place(place: Place | None) -> dict[str, int | str | None]:
    """Return line and cell, or line and file where an imported module is meant."""
    if place is None or not isinstance(place.cell, str):
        return {key: getattr(place, key, None) for key in ("line", "cell")}
    return {"line": place.line, "cell": None, "file": place.cell}


def _list(shape: tuple[int, ...] | None) -> list[int] | None:
    return None if shape is None else list(shape)
