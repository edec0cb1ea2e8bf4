"""An index is off by one.

What: the line reads or writes the step before or after, or a range ends one step early.

Why: the gradient of a value that was read at t - 1 belongs to t - 1. Python counts from 0, and a
range excludes its end.

Wrong:

    # hs[t] = torch.tanh(xs[t] @ Wx + hs[t - 1] @ Wh)
    dWh += hs[t].T @ da

Right:

    dWh += hs[t - 1].T @ da
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explain.search.body import Body
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar.places import moved
from handgrad.checker.explain.search.later import mended_later
from handgrad.checker.explain.search.looping import loop_mends
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.records import Place

CODE = "HG135"
NAME = "index off by one"
ORDER = 140


def find(suspect: Suspect) -> Finding | None:
    """Move each index by one, then the ends of the loops around the statement."""
    text = suspect.text or _unrepeated(suspect)
    for fix, message in _moved(suspect, text) if text is not None else ():
        if suspect.mends(fix) or (suspect.text is None and _in_loop(suspect, fix)):
            return Finding(message, fix)
    return mended_later(suspect, lambda text: _moved(suspect, text)) or _range(suspect)


def _moved(suspect: Suspect, text: Text) -> Iterator[tuple[str, str]]:
    for edit in moved(suspect, text):
        yield edit.text, f"Off by one: use {edit.now} instead of {edit.was}."


def _unrepeated(suspect: Suspect) -> Text | None:
    """Return the text of a statement that can only run again with its whole loop."""
    body = Body(suspect.statement)
    if not body.loops or suspect.unit is None or not suspect.views:
        return None
    return Text(suspect.unit.text, suspect.unit.tree)


def _in_loop(suspect: Suspect, fix: str) -> bool:
    body = Body(suspect.statement)
    rows = ast.parse(fix).body
    return body.node is not None and loop_mends(suspect, body.loops[0], {body.node: rows})


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
            if loop_mends(suspect, body.loops[0], {loop: [other]}):
                return Finding(
                    f"Off by one: the loop over {got} must run over {right}.",
                    f"for {target} in {right}:",
                    Place(loop.lineno, suspect.statement.place.cell),
                )
    return None
