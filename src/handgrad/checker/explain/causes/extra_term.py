"""A term too many in a sum.

What: something is added to the gradient, or subtracted from it, that does not come back from any
consumer: a bias copied from the forward, a weight decay that the loss does not have.

Why: for y = g * x + b, x gets g * dy; b adds nothing, since it does not change with x. A penalty on
the weights comes back only if it is in the loss.

Wrong:

    # hpreact = bngain * bnraw + bnbias
    dbnraw = bngain * dhpreact + bnbias

Right:

    dbnraw = bngain * dhpreact
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG140"
NAME = "term too many"


def find(suspect: Suspect) -> Finding | None:
    """Leave out one term after another, then the statement."""
    if suspect.text is None:
        return None
    for fix, what in _without(suspect.text):
        if suspect.mends(fix):
            from_ = " and ".join(part.consumer for part in suspect.parts) or "the loss"
            return Finding(
                f"{what}, and must not be: nothing like it comes back from {from_}.", fix
            )
    return None


def _without(text: Text) -> Iterator[tuple[str, str]]:
    """Yield the statement without a term, and what is done with the term."""
    for fix, node, term in text.without_terms():
        yield fix, _done(text, node.op, term)
    if isinstance(text.tree, ast.AugAssign) and isinstance(text.tree.op, ast.Add | ast.Sub):
        yield text.commented_out, _done(text, text.tree.op, text.tree.value)


def _done(text: Text, op: ast.operator, term: ast.expr) -> str:
    done = "added" if isinstance(op, ast.Add) else "subtracted"
    return f"{text.segment(term)} is {done} here"
