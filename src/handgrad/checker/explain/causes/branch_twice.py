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

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar import terms
from handgrad.checker.explain.search.grammar.edit import edited
from handgrad.checker.explain.search.suspect import Contribution, Suspect

CODE = "HG136"
NAME = "branch added twice"
ORDER = 30


def find(suspect: Suspect) -> Finding | None:
    """Hold what was made to what is right and one branch more."""
    again = next((part for part in suspect.parts if _is_twice(suspect, part)), None)
    if again is None:
        return _instead(suspect)
    left = edited(suspect, ((terms.without_branch, ""),))
    fix = None if left is None else left.fix
    if fix is None and suspect.statement not in suspect.grade.blamed.twice:
        return None  # twice as much is a factor, unless it is written out twice
    leaves = " Remove this line." if fix is not None and fix.startswith("#") else ""
    return Finding(f"{_said(suspect, again)}.{leaves}", fix)


def _said(suspect: Suspect, again: Contribution) -> str:
    return (
        f"The contribution through {again.consumer} is added twice: {suspect.hand.name} already "
        "contains it"
        if suspect.statement in suspect.grade.blamed.twice
        else f"{suspect.hand.name} contains the contribution through {again.consumer} twice"
    )


def _is_twice(suspect: Suspect, part: Contribution) -> bool:
    if not suspect.views or len(part.values) < len(suspect.views):
        return False
    shapes = {v.shape for v in (suspect.made, suspect.right, part.values[0])}
    return len(shapes) == 1 and all(
        bool((part.values[i] != 0).any()) and suspect.is_right(suspect.makes(i) - part.values[i], i)
        for i in range(len(suspect.views))
    )


def _instead(suspect: Suspect) -> Finding | None:
    """Find a branch that stands a second time where another belongs."""
    if suspect.statement not in suspect.grade.blamed.twice:
        return None
    count = len(suspect.views)
    for again in suspect.parts:
        for lost in suspect.parts:
            if again is lost or min(len(again.values), len(lost.values)) < count:
                continue
            if suspect.made.shape == suspect.right.shape and all(
                suspect.is_right(suspect.makes(i) - again.values[i] + lost.values[i], i)
                for i in range(count)
            ):
                belongs = f"the contribution through {lost.consumer} belongs here"
                return Finding(f"{_said(suspect, again)}; {belongs}.")
    return Finding(None)  # the report says that it is there already
