"""A contribution is added twice.

What: the gradient contains the contribution of one consumer two times.

Why: a tensor that is used in two places gets one contribution from each. A cell that runs twice, a
copied line, or a sum written out next to its `+=` adds a contribution that is already there.

Wrong:

    dhprebn = dbndiff.clone()
    dhprebn += dbndiff + 1 / n * torch.ones_like(hprebn) * dbnmeani

Right:

    dhprebn = dbndiff.clone()
    dhprebn += 1 / n * torch.ones_like(hprebn) * dbnmeani
"""

from itertools import permutations

from handgrad.checker.explain.causes.extra_term import complete_on
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar import terms
from handgrad.checker.explain.search.grammar.edit import corrected
from handgrad.checker.explain.search.scene import ConsumerShare
from handgrad.checker.explain.search.shares import is_off_by
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG136"
NAME = "branch added twice"
ORDER = 30


def find(suspect: Suspect) -> Finding | None:
    """Compare the result with the correct gradient plus one contribution."""
    again = next((part for part in suspect.parts if is_off_by(suspect, [part], [])), None)
    if again is None:
        return _instead(suspect)
    fix = corrected(suspect, terms.without_branch)
    if fix is None and suspect.statement not in suspect.grade.blamed.twice:
        return None  # twice as much is a factor, unless it is written out twice
    leaves = fix is not None and fix.startswith("#")
    done = complete_on(suspect) if leaves else None
    if done is not None:
        return Finding(
            f"{suspect.hand.name} is complete on {done}; this line adds the contribution "
            f"through {again.consumer} to it again. Remove it.",
            fix,
        )
    return Finding(f"{_said(suspect, again)}.{' Remove this line.' if leaves else ''}", fix)


def _said(suspect: Suspect, again: ConsumerShare) -> str:
    return (
        f"The contribution through {again.consumer} is added twice: {suspect.hand.name} already "
        "contains it"
        if suspect.statement in suspect.grade.blamed.twice
        else f"{suspect.hand.name} contains the contribution through {again.consumer} twice"
    )


def _instead(suspect: Suspect) -> Finding | None:
    """Find a contribution that is added a second time instead of another."""
    if suspect.statement not in suspect.grade.blamed.twice:
        return None
    for again, lost in permutations(suspect.parts, 2):
        if is_off_by(suspect, [again], [lost]):
            belongs = f"the contribution through {lost.consumer} belongs here"
            return Finding(f"{_said(suspect, again)}; {belongs}.")
    return Finding(None)  # the report says that it is there already
