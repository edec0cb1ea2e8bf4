"""Gradients that the file's code computes below a statement that raised: not reached."""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch

from handgrad.checker.record.gradient_names import hand_names
from handgrad.checker.record.instrument import Statement
from handgrad.checker.records import CellError, Row


def with_unreached(
    rows: Sequence[Row],
    statements: Iterable[Statement],
    ran: Iterable[Statement],
    errors: Iterable[CellError],
    shapes: Mapping[str, torch.Size],
) -> list[Row]:
    """Return the rows with the place of each gradient that an error kept from being computed.

    A gradient that the error interrupted is not judged: its later statements may complete it.
    `shapes` are those of all names that ran.
    """
    skipped = _skipped(statements, set(ran), errors)
    if not skipped:
        return list(rows)
    nodes = {row.node for row in rows} | shapes.keys()
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
    listed = {row.node for row in rows}
    return found + [
        Row(node, None, "missing", place, expected_shape=tuple(shapes[node]))
        for node, place in places.items()
        if node not in listed
    ]


def _skipped(
    statements: Iterable[Statement], ran: set[Statement], errors: Iterable[CellError]
) -> dict[str, Statement]:
    """Return the first statement of each name that did not run, from the lines that raised on."""
    raised: dict[int | str | None, int] = {}
    for error in errors:
        if error.line is not None:
            raised[error.cell] = min(error.line, raised.get(error.cell, error.line))
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


def with_shapes(
    errors: Iterable[CellError],
    rows: Iterable[Row],
    statements: Sequence[Statement],
    shapes: Mapping[str, torch.Size],
) -> list[CellError]:
    """Return the errors; one in a gradient's product with the shapes, and the product that fits."""
    due = {row.place: row for row in rows if row.verdict == "missing" and row.place is not None}
    found = []
    for error in errors:
        at = [s for s in statements if s.place.cell == error.cell and s.place.line == error.line]
        row = next((due[s.place] for s in at if s.place in due), None)
        more = "" if row is None or "shape" not in error.error else _due(at[0], row, shapes)
        found.append(replace(error, error=error.error + more))
    return found


def _due(statement: Statement, row: Row, shapes: Mapping[str, torch.Size]) -> str:
    """Say which shape the gradient must have, and which product of the same two has it."""
    if row.expected_shape is None:
        return ""
    needed = f"; the gradient of {row.node} has the shape {row.expected_shape}"
    for node in ast.walk(ast.parse(statement.text)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            names = [_bare(side) for side in (node.left, node.right)]
            known = [(n, shapes[n]) for n in names if n is not None and n in shapes]
            if len(known) == 2:
                sides = " and ".join(f"{n} {tuple(shape)}" for n, shape in known)
                fits = [t for t, shape in _products(known) if shape == row.expected_shape]
                also = f", as {fits[0]} has" if len(fits) == 1 else ""
                return f" ({sides}){needed}{also}"
    return needed


def _bare(node: ast.expr) -> str | None:
    """Return the name that is multiplied, transposed or not."""
    inner = node.value if isinstance(node, ast.Attribute) and node.attr == "T" else node
    return inner.id if isinstance(inner, ast.Name) else None


def _products(known: Sequence[tuple[str, torch.Size]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the products of two matrices, in both orders, transposed or not, with their shapes."""
    if any(len(shape) != 2 for _, shape in known):
        return
    for (a, left), (b, right) in (known, known[::-1]):
        for first, (rows, inner) in ((a, left), (f"{a}.T", left[::-1])):
            for second, (outer, columns) in ((b, right), (f"{b}.T", right[::-1])):
                if inner == outer:
                    yield f"{first} @ {second}", (rows, columns)
