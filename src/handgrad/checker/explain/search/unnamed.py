"""Suspects among the lines of tensors that belong to no node, which a line to blame reads.

`dout = 2 * (out - y) / len(y)` is tried together with the line that reads it,
`self.dW2 = self.a1.T @ dout`: the gradient that this one makes is known.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import replace

from handgrad.checker.explain.search.gather import suspects_of
from handgrad.checker.explain.search.runner import LineRunner
from handgrad.checker.explain.search.scene import BackwardContext, View
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.unit import Body, Unit, unit_of
from handgrad.checker.judge.grade import Grade
from handgrad.checker.judge.statements import grouped
from handgrad.checker.record.trace import Bind

_SIMPLE = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr | ast.Return | ast.Pass


def unnamed_binds(grade: Grade) -> list[Bind]:
    """Return the assignments of the tensors that a line to blame reads and that have no node."""
    final = grade.hand.own_final()
    found: dict[str, Bind] = {}
    for event in reversed(grade.hand.forward.trace.events[: final.index]):
        if type(event) is not Bind or event.scope is None or not event.scope.names:
            continue
        if event.call is final.call and event.name in grade.unjudged:
            found.setdefault(event.name, event)
    return list(found.values())


def suspects_above(
    grade: Grade, backward: BackwardContext, binds: Iterable[Bind]
) -> Iterator[Suspect]:
    """Yield a suspect for each assignment above what a gradient is made of."""
    for bind in binds:
        for reader in suspects_of(grade, backward):
            unit = _unit(bind, reader, grade)
            if unit is not None:
                views = tuple(_views(bind, unit, reader, backward))
                yield replace(
                    reader, statement=bind.statement, unit=unit, views=views, native=None,
                    through=True, _tried={}, _made={}, kept={},
                )  # fmt: skip


def _unit(bind: Bind, reader: Suspect, grade: Grade) -> Unit | None:
    """Return the unit that runs the line and those down to the reader."""
    own = reader.unit
    if own is None:
        return None
    if own.loop is not None:
        start = grouped(grade.hand)[0][0]
        unit = unit_of(bind.statement, grade.hand.name, True, start)
        return None if unit is None else replace(unit, target=own.target, above=True)
    above, below = Body(bind.statement), Body(reader.statement)
    if above.node is None or below.node is None or above.node.lineno >= below.node.lineno:
        return None
    rows: list[ast.stmt] = getattr(below.stack[-1], "body", [])
    block: list[ast.stmt] = getattr(above.stack[-1], "body", [])
    around = [row.lineno <= above.node.lineno <= (row.end_lineno or 0) for row in rows]
    starts = [row.lineno for row in rows]
    inner = [row.lineno for row in block]
    known = above.node.lineno in inner and below.node.lineno in starts and any(around)
    first = rows[around.index(True)] if known else None
    if first is None or not isinstance(first, _SIMPLE | ast.If):
        return None
    at = inner.index(above.node.lineno)
    between = rows[around.index(True) + 1 : starts.index(below.node.lineno)]
    between = [*(block[at + 1 :] if isinstance(first, ast.If) else []), *between]
    if not all(isinstance(row, _SIMPLE) for row in between):
        return None
    tail = "\n".join(["", *map(ast.unparse, between), own.source(own.text)])
    tree = ast.parse(bind.statement.text).body[0]
    return Unit(
        bind.statement.text, tree, own.target, _head(bind, block, at), tail=tail, above=True
    )


def _head(bind: Bind, rows: list[ast.stmt], at: int) -> str:
    """Return the lines that make what the line changes in-place."""
    if _rebinds(bind):
        return ""
    for first in reversed(range(at)):
        row = rows[first]
        if not isinstance(row, _SIMPLE):
            break
        if isinstance(row, ast.Assign) and ast.unparse(row.targets[0]) == bind.name:
            return "".join(f"{ast.unparse(row)}\n" for row in rows[first:at])
    return ""


def _rebinds(bind: Bind) -> bool:
    """Tell whether the statement gives the name another value, rather than to change its value."""
    if bind.kind == "param":
        return True
    tree = Body(bind.statement).node
    targets = tree.targets if isinstance(tree, ast.Assign) else []
    return any(isinstance(target, ast.Name | ast.Tuple) for target in targets)


def _views(bind: Bind, unit: Unit, reader: Suspect, backward: BackwardContext) -> Iterator[View]:
    earlier = _earlier(bind, reader)
    for scene, view in zip(backward.scenes, reader.views, strict=False):
        moment = scene.moments.get(bind.index)
        if moment is None:
            return
        at = replace(moment, before=view.before, after=view.moment.after)
        if unit.loop is not None:
            yield replace(view, moment=at)
        else:
            given = {} if earlier is None else {bind.name: moment.names.value_of(earlier.value)}
            runner = LineRunner(moment.names, view.runner.dtype)
            yield replace(view, moment=at, runner=runner, given=given)


def _earlier(bind: Bind, reader: Suspect) -> Bind | None:
    """Return what the name was bound to before, for `delta = delta * (1 - a**2)`.

    Where the statement changes it in-place, before the line that made it.
    """
    events = reader.forward.trace.events[: bind.index]
    same = (e for e in reversed(events) if type(e) is Bind and e.name == bind.name)
    found = [e for e in same if e.call is bind.call and not e.alias]
    if not _rebinds(bind):
        while found and not _rebinds(found[0]):
            found = found[1:]
        found = found[1:]
    return found[0] if found else None
