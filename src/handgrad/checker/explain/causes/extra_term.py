"""A term too many in a sum.

What: the line adds or subtracts a term that no consumer contributes: a bias copied from the forward
pass, or a weight decay that the loss does not have.

Why: for y = g * x + b the gradient of x is g * dy; b adds nothing, since it does not depend on x. A
penalty on the weights contributes to their gradient only if it is part of the loss.

Wrong:

    # hpreact = bngain * bnraw + bnbias
    dbnraw = bngain * dhpreact + bnbias

Right:

    dbnraw = bngain * dhpreact
"""

import re

import torch

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar import terms
from handgrad.checker.explain.search.grammar.edit import corrected, edited
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.records import Place

CODE = "HG140"
NAME = "term too many"
ORDER = 370
EDITS = (
    (
        terms.without_term,
        "{was} must not be {now} here: no such term comes from {consumers}.",
    ),
)


def find(suspect: Suspect) -> Finding | None:
    """Look for a line below a complete gradient, try the edits, look at what a sum starts at."""
    return _complete(suspect) or edited(suspect, EDITS) or _start(suspect)


def _complete(suspect: Suspect) -> Finding | None:
    """Find a line that changes a gradient to which nothing is lacking."""
    done = complete_on(suspect)
    fix = None if done is None else corrected(suspect, terms.without_branch)
    if done is None or fix is None or not fix.startswith("#"):
        return None
    name = suspect.hand.name
    return Finding(f"{name} is complete on {done}; this line adds to it again. Remove it.", fix)


def complete_on(suspect: Suspect) -> Place | None:
    """Return the line above that completes the gradient, if one does."""
    own = next((b.index for b in suspect.hand.binds if b.statement == suspect.statement), 0)
    above = [b for b in suspect.hand.binds if b.index < own and not b.alias]
    before = [view.before for view in suspect.views]
    finished = all(b is not None and suspect.is_right(b, i) for i, b in enumerate(before))
    return above[-1].statement.place if above and finished else None


def _start(suspect: Suspect) -> Finding | None:
    """Find a sum that starts at ones: what the later statements add is the whole gradient."""
    start, final = suspect.views[0].moment.after, suspect.grade.outcome
    own = [b.index for b in suspect.hand.binds if b.statement == suspect.statement]
    later = [b for b in suspect.hand.binds if own and b.index > own[-1]]
    first = start.flatten()[0] if start.numel() else start.new_zeros(())
    same = bool((start == first).all()) and bool(first != 0)
    if not later or not same or final.shape != start.shape or not suspect.is_right(final - start):
        return None
    text = suspect.statement.text
    zeros = re.sub(r"\bones(_like)?\(", r"zeros\1(", text, count=1)
    value = suspect.value(zeros.partition("=")[2].strip())
    fits = isinstance(value, torch.Tensor) and value.shape == start.shape and not value.any()
    line = str(later[0].statement.place)
    return Finding(
        f"{suspect.hand.name} starts at {float(first):g}, and {line} adds the gradient to it: "
        "start at 0.",
        zeros if fits else None,
    )
