"""What a backward function returns, by position: None, too few gradients, or another input's."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from handgrad.checker.explain.causes import returned_number, returned_position
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.record.function import floating
from handgrad.checker.record.gradient_names import hand_names
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.targets import Target
from handgrad.checker.record.trace import Backward, Bind
from handgrad.checker.records import Note, Row
from handgrad.checker.report.report import Report
from handgrad.checker.session import Session


def unreturned(
    report: Report,
    session: Session,
    function: str,
    inputs: Mapping[str, Any],
    returned: Sequence[Any],
) -> Report:
    """Return the report with inputs marked as wrong that got no gradient, or another input's.

    `inputs` are by name. An input whose gradient is 0 everywhere needs none.
    """
    if session.recorder.calls.last_return is None:
        return report
    statement = session.recorder.calls.last_return[0]
    asked = floating(inputs)
    due = {name for name in asked if _is_due(session, inputs[name])}
    lacking = {r.node for r in report.rows if r.hand is None and r.node in due}
    number_message = returned_number.message(function, list(inputs), asked, returned)
    crossed, fix = _crossed(session, placed(inputs, returned), statement)
    rows = []
    for row in report.rows:
        if row.node in lacking:
            row = _wrong(row, statement, returned_number.CODE, number_message(row.node))
        elif row.node in crossed and row.verdict in ("exact", "rounding"):
            message = returned_position.message(crossed[row.node], row.node)
            checked = row.verdict if fix is not None else None  # its own line is right
            row = _wrong(row, statement, returned_position.CODE, message)
            row = replace(row, fix=fix, checked=checked)
        rows.append(row)
    notes = report.notes
    if len(returned) > len(inputs):
        notes += (Note("HG219", number_message(""), place=statement.place),)
    return replace(report, rows=tuple(rows), notes=notes)


def name_returned(session: Session, inputs: Mapping[str, Any], gradients: Sequence[Any]) -> None:
    """Name the unnamed gradients that `backward` returned after the inputs of `forward`."""
    if session.recorder.calls.last_return is None:
        return
    statement, scope = session.recorder.calls.last_return
    pairs = placed(inputs, gradients)
    known = {id(bind.value) for bind in session.recorder.trace.of(Bind) if bind.kind != "param"}
    unnamed = {f"d{n}": g for n, g in pairs if isinstance(g, Tensor) and id(g) not in known}
    if unnamed:
        targets = tuple(Target(f"d{name}", "assign") for name, _ in pairs)
        session.recorder.known(replace(statement, targets=targets), unnamed, scope)


def placed(inputs: Mapping[str, Any], returned: Sequence[Any]) -> list[tuple[str, Any]]:
    """Return each input with the gradient returned for it, as far as positions show it.

    There is one gradient for each input, or for each floating-point input. If the number differs,
    each gradient goes to the next input of its shape.
    """
    asked = floating(inputs)
    for names in (list(inputs), asked):
        if len(names) == len(returned):
            return list(zip(names, returned, strict=True))
    pairs: list[tuple[str, Any]] = []
    left = iter(asked)
    for gradient in returned:
        shape = gradient.shape if isinstance(gradient, Tensor) else None
        name = next((n for n in left if inputs[n].shape == shape), None)
        if name is not None:
            pairs.append((name, gradient))
    return pairs


def _crossed(
    session: Session, pairs: Sequence[tuple[str, Any]], statement: Statement
) -> tuple[dict[str, str], str | None]:
    """Return the inputs that got another input's gradient, by name, and the corrected line."""
    names = [name for name, _ in pairs]
    hands = {}
    for bind in session.recorder.trace.of(Bind):
        if bind.kind != "param" and bind.statement.place != statement.place:
            hands[id(bind.value)] = hand_names({bind.name, *names}).get(bind.name)
    owners = [hands.get(id(gradient)) or name for name, gradient in pairs]
    owner_of = dict(zip(names, owners, strict=True))
    crossed = {n: owner for n, owner in owner_of.items() if owner != n and owner in names}
    tree = ast.parse(statement.text).body[0] if crossed else None
    parts = tree.value.elts if isinstance(getattr(tree, "value", None), ast.Tuple) else []  # type: ignore[union-attr]
    if tree is None or sorted(owners) != sorted(names) or len(parts) != len(names):
        return crossed, None
    text = Text(statement.text, tree)
    new = [text.segment(parts[owners.index(name)]) for name in names]
    return crossed, text.replace_all(parts, new)


def _is_due(session: Session, value: Tensor) -> bool:
    """Tell whether autograd's gradient of the input is not 0 everywhere."""
    trace = session.recorder.trace
    binds = {b.index for b in trace.of(Bind) if b.value is value}
    return any(
        bool(gradient.any())
        for event in trace.of(Backward)
        for index, gradient in event.gradients.items()
        if index in binds
    )


def _wrong(row: Row, statement: Statement, cause: str, message: str) -> Row:
    return replace(
        row,
        hand=f"d{row.node}",
        verdict="wrong",
        blame="root",
        place=statement.place,
        places=(statement.place,),
        statement=statement.text,
        cause=cause,
        message=message,
    )
