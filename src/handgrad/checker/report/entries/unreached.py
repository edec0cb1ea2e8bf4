"""Gradients that the file's code computes below a statement that raised: not reached."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from handgrad.checker.record.gradient_names import hand_names
from handgrad.checker.record.instrument import Statement
from handgrad.checker.records import CellError, Row


def with_unreached(
    rows: Sequence[Row],
    statements: Iterable[Statement],
    ran: Iterable[Statement],
    errors: Iterable[CellError],
) -> list[Row]:
    """Return the rows with the place of each gradient that an error kept from being computed.

    A gradient that the error interrupted is not judged: its later statements may complete it.
    """
    skipped = _skipped(statements, set(ran), errors)
    if not skipped:
        return list(rows)
    nodes = {row.node for row in rows}
    paired = hand_names(skipped.keys() | nodes)
    places = {paired[name]: s.place for name, s in skipped.items() if name in paired}
    read = {name for row in rows for name in row.blamed_on}
    found = []
    for row in rows:
        interrupted = row.blame == "root" and row.hand in skipped and row.hand not in read
        if interrupted and row.hand is not None:
            place = skipped[row.hand].place
            row = Row(
                row.node, None, "missing", place, expected_shape=row.expected_shape, dtype=row.dtype
            )
        elif row.verdict == "missing" and row.node in places:
            row = replace(row, place=places[row.node])
        found.append(row)
    return found


def _skipped(
    statements: Iterable[Statement], ran: set[Statement], errors: Iterable[CellError]
) -> dict[str, Statement]:
    """Return the first statement of each name that did not run, from the lines that raised on."""
    raised = {error.cell: error.line for error in errors if error.line is not None}
    found: dict[str, Statement] = {}
    for statement in statements:
        line = raised.get(statement.place.cell)
        below = line is not None and _end(statement) >= line and not statement.function
        if below and statement not in ran:
            for target in statement.targets:
                found.setdefault(target.name, statement)
    return found


def _end(statement: Statement) -> int:
    """Return the last line of a statement."""
    return statement.place.line + statement.text.count("\n")
