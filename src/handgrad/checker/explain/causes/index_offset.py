"""An index is off by one, or is another one.

What: the line reads or writes the step before or after, or a range ends one step early; or the
index is that of another place.

Why: the gradient of a value that was read at t - 1 belongs to t - 1. Python counts from 0, and a
range excludes its end.

Wrong:

    # hs[t] = torch.tanh(xs[t] @ Wx + hs[t - 1] @ Wh)
    dWh += hs[t].T @ da

Right:

    dWh += hs[t - 1].T @ da
"""

import ast

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar.edit import edited, edited_later, edits
from handgrad.checker.explain.search.grammar.places import moved, other_places
from handgrad.checker.explain.search.looping import loop_corrects
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.unit import Body
from handgrad.checker.records import Place

CODE = "HG135"
NAME = "index off by one"
ORDER = 140
EDITS = ((moved, "Off by one: use {now} instead of {was}."),)
OTHERS = ((other_places, "{was} is used where {now} belongs."),)


def find(suspect: Suspect) -> Finding | None:
    """Move each index by one, then the ends of the loops around the statement."""
    found = edited(suspect, EDITS) or _in_loop(suspect)
    found = found or edited_later(suspect, EDITS) or _range(suspect)
    return found or edited(suspect, OTHERS)


def _in_loop(suspect: Suspect) -> Finding | None:
    """Move an index of a statement that can only run again with its whole loop."""
    body = Body(suspect.statement)
    if suspect.text is not None or not body.loops or body.node is None:
        return None
    for fix, message in edits(suspect, suspect.shown, EDITS):
        if loop_corrects(suspect, body.loops[0], {body.node: ast.parse(fix).body}):
            return Finding(message, fix)
    return None


def _range(suspect: Suspect) -> Finding | None:
    """Start or end each loop around the statement one step earlier or later."""
    body = Body(suspect.statement)
    for loop in body.loops:
        if not isinstance(loop, ast.For):
            continue
        got, target = ast.unparse(loop.iter), ast.unparse(loop.target)
        text = Text(f"_ = {got}", ast.parse(f"_ = {got}").body[0])
        for edit in moved(suspect, text):
            right = edit.text.removeprefix("_ = ").replace("range(0, ", "range(")
            other = ast.For(loop.target, ast.parse(right, mode="eval").body, loop.body, loop.orelse)
            if loop_corrects(suspect, body.loops[0], {loop: [other]}):
                return Finding(
                    f"Off by one: the loop over {got} must run over {right}.",
                    f"for {target} in {right}:",
                    Place(loop.lineno, suspect.statement.place.cell),
                )
    return None
