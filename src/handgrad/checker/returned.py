"""What a backward function did not return: None for an input, or the wrong number of gradients."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from handgrad.checker.causes import returned_number
from handgrad.checker.recording.instrument import Statement
from handgrad.checker.recording.trace import Backward, Bind
from handgrad.checker.records import Report, Row
from handgrad.checker.session import Session


def unreturned(
    report: Report, session: Session, function: str, inputs: Mapping[str, Any], returned: Sequence[Any]
) -> Report:
    """Return the report with what no gradient was returned for as wrong, where one is due.

    `inputs` are by their names. An input whose gradient is 0 throughout needs none.
    """
    if session.recorder.returned is None:
        return report
    statement = session.recorder.returned[0]
    asked = [n for n, x in inputs.items() if isinstance(x, Tensor) and x.is_floating_point()]
    due = {name for name in asked if _is_due(session, inputs[name])}
    lacking = {r.node for r in report.rows if r.hand is None and r.node in due}
    said = returned_number.message(function, list(inputs), asked, returned)
    rows = [
        _wrong(row, statement, said(row.node)) if row.node in lacking else row
        for row in report.rows
    ]
    return replace(report, rows=tuple(rows))


def _is_due(session: Session, value: Tensor) -> bool:
    """Tell whether autograd has a gradient for the input that is not 0 throughout."""
    trace = session.recorder.trace
    binds = {b.index for b in trace.of(Bind) if b.value is value}
    return any(
        bool(gradient.any())
        for event in trace.of(Backward)
        for index, gradient in event.gradients.items()
        if index in binds
    )


def _wrong(row: Row, statement: Statement, message: str) -> Row:
    return replace(
        row,
        hand=f"d{row.node}",
        verdict="wrong",
        blame="root",
        place=statement.place,
        places=(statement.place,),
        statement=statement.text,
        cause=returned_number.CODE,
        message=message,
    )
