"""A report as JSON between the child that made it and the parent that shows it.

Everything is kept, also what the published JSON leaves out. Never pickle: the child has run a
stranger's code, and unpickling what it sends would run it here too.
"""

from dataclasses import asdict
from typing import Any

from handgrad.check.records import CellError, Note, Place, Report, Row

TUPLES = ("blamed_on", "shape", "expected_shape")


def pack(report: Report) -> dict[str, Any]:
    """`report` as plain dicts and lists."""
    return asdict(report)


def unpack(packed: dict[str, Any]) -> Report:
    """The report that `pack` was given."""
    return Report(
        file=packed["file"],
        rows=tuple(_row(row) for row in packed["rows"]),
        notes=tuple(Note(**{**note, "place": _place(note["place"])}) for note in packed["notes"]),
        errors=tuple(CellError(**error) for error in packed["errors"]),
    )


def _row(packed: dict[str, Any]) -> Row:
    tuples = {name: None if packed[name] is None else tuple(packed[name]) for name in TUPLES}
    return Row(**{**packed, **tuples, "place": _place(packed["place"])})


def _place(packed: dict[str, Any] | None) -> Place | None:
    return None if packed is None else Place(**packed)
