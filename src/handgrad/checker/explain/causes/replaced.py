"""`=` instead of `+=`: the previous value is replaced.

What: several contributions go to one place, and only one of them remains: the last iteration of a
loop, the last row that looked up an index, or the second of two contributions.

Why: `=` replaces. `dC[Xb] += demb` replaces too: where Xb contains an index twice, both rows are
added to the same old value and only the later one is kept. `index_put_(..., accumulate=True)`,
`index_add_` and `scatter_add_` add all of them.

Wrong:

    # emb = C[Xb]
    dC[Xb] += demb

Right:

    dC.index_put_((Xb,), demb, accumulate=True)
"""

import ast

from handgrad.checker.explain.search.body import Body
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar.edit import edited
from handgrad.checker.explain.search.grammar.places import added
from handgrad.checker.explain.search.looping import changed, makes_right, starts_from
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG124"
NAME = "= where += is due"
ORDER = 170


def find(suspect: Suspect) -> Finding | None:
    """Add where the statement replaces."""
    return edited(suspect, ((added, "{was}."),)) or _every_turn(suspect)


def _every_turn(suspect: Suspect) -> Finding | None:
    """Find `dW = ...` in a loop: each turn throws away what the ones before it made."""
    body = Body(suspect.statement)
    node = body.node
    if not body.loops or not isinstance(node, ast.Assign):
        return None
    outer = body.loops[0]

    def adds(rows: list[ast.stmt]) -> list[ast.stmt]:
        return [_augmented(row) if _is_same(row, node) else row for row in rows]

    if not makes_right(suspect, [changed(outer, adds)], outer.lineno):
        return None
    head, _, value = suspect.statement.text.partition("=")
    fix = f"{head.rstrip()} += {value.lstrip()}"
    zeros = "" if starts_from(suspect, outer.lineno) else ", starting from zeros before the loop"
    return Finding(
        f"`=` keeps only the last iteration of the loop; `+=` adds all of them{zeros}.", fix
    )


def _augmented(row: ast.stmt) -> ast.stmt:
    assert isinstance(row, ast.Assign)
    target = row.targets[0]
    assert isinstance(target, ast.Name | ast.Subscript | ast.Attribute)
    return ast.AugAssign(target, ast.Add(), row.value)


def _is_same(row: ast.stmt, node: ast.stmt) -> bool:
    return row.lineno == node.lineno and row.col_offset == node.col_offset
