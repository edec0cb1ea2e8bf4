"""A line is in the wrong loop.

What: the zeros that a gradient starts from are created in every iteration, or a line that should
add in every iteration is below the loop and adds once.

Why: a line runs as often as the innermost loop around it. Zeros belong above all the loops, `+=`
belongs in the innermost one.

Wrong:

    for t in reversed(range(T)):
        dWx = torch.zeros_like(Wx)
        dWx += xs[t].T @ da[t]

Right:

    dWx = torch.zeros_like(Wx)
    for t in reversed(range(T)):
        dWx += xs[t].T @ da[t]
"""

import ast

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.looping import loop_corrects
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.unit import Body, Loop
from handgrad.checker.judge.statements import grouped
from handgrad.checker.records import Place

CODE = "HG125"
NAME = "in the wrong loop"
ORDER = 180


def find(suspect: Suspect) -> Finding | None:
    """Move the zeros out of the loop; then move the statement into the loop above it."""
    return _reset(suspect) or _below(suspect)


def _reset(suspect: Suspect) -> Finding | None:
    first = grouped(suspect.hand)[0][0]
    body, inner = Body(first), Body(suspect.statement)
    if not body.loops or not inner.loops or body.node is None or first is suspect.statement:
        return None
    outer = body.loops[0]
    if not loop_corrects(suspect, outer, {body.node: [ast.Pass()]}):
        return None
    message = (
        f"`{first.text}` is inside the loop: each iteration discards what earlier iterations "
        f"added. Move it above `{_head(outer)}`, line {outer.lineno}."
    )
    return Finding(message, first.text, Place(outer.lineno - 1, first.place.cell), adds=True)


def _below(suspect: Suspect) -> Finding | None:
    body = Body(suspect.statement)
    above, node = body.before, body.node
    if not isinstance(above, Loop) or node is None or isinstance(node, ast.Assign):
        return None
    outer: ast.stmt = body.loops[0] if body.loops else above
    innermost = _innermost(above)
    end = innermost.body[-1]
    if not loop_corrects(suspect, outer, {node: [ast.Pass()], end: [end, node]}):
        return None
    last = end.end_lineno or innermost.lineno
    message = (
        f"This line is below `{_head(innermost)}`, so it adds only the last iteration: move it "
        f"into that loop, below line {last}."
    )
    return Finding(message, suspect.statement.text, Place(last, suspect.statement.place.cell), True)


def _innermost(loop: Loop) -> Loop:
    inner = next((row for row in reversed(loop.body) if isinstance(row, Loop)), None)
    return loop if inner is None else _innermost(inner)


def _head(loop: Loop) -> str:
    if isinstance(loop, ast.For):
        return f"for {ast.unparse(loop.target)} in {ast.unparse(loop.iter)}:"
    return f"while {ast.unparse(loop.test)}:"
