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

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar.edit import edited
from handgrad.checker.explain.search.grammar.places import added
from handgrad.checker.explain.search.looping import loop_corrects, starts_from
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.unit import Body

CODE = "HG124"
NAME = "= where += is due"
ORDER = 170
_TARGETS = ast.Name | ast.Subscript | ast.Attribute


def find(suspect: Suspect) -> Finding | None:
    """Add instead of replacing."""
    if "[" in suspect.hand.name and suspect.views[0].before is None:
        return None  # an element of a list that held nothing of the gradient
    return edited(suspect, ((added, "{was}."),)) or _every_turn(suspect)


def _every_turn(suspect: Suspect) -> Finding | None:
    """Find `dW = ...` in a loop: each iteration discards what earlier iterations added."""
    body = Body(suspect.statement)
    node = body.node
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    if not body.loops or not isinstance(node, ast.Assign) or not isinstance(target, _TARGETS):
        return None
    outer = body.loops[0]
    if not loop_corrects(suspect, outer, {node: [ast.AugAssign(target, ast.Add(), node.value)]}):
        return None
    head, _, value = suspect.statement.text.partition("=")
    fix = f"{head.rstrip()} += {value.lstrip()}"
    zeros = "" if starts_from(suspect, outer.lineno) else ", starting from zeros before the loop"
    return Finding(
        f"`=` keeps only the last iteration of the loop; `+=` adds all of them{zeros}.", fix
    )
