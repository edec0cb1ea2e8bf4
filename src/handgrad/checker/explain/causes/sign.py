"""Wrong sign.

What: a minus is missing or should not be there, or a plus is where a minus belongs.

Why: y = a - b passes the upstream gradient to a, and its negative to b; y = -x negates it, and so
does the derivative of 1/x.

Wrong:

    # bndiff = hprebn - bnmeani
    dbnmeani = dbndiff.sum(0, keepdim=True)

Right:

    dbnmeani = -dbndiff.sum(0, keepdim=True)
"""

from dataclasses import replace

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar import signs
from handgrad.checker.explain.search.grammar.edit import edited
from handgrad.checker.explain.search.shares import constant
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG102"
NAME = "sign"
ORDER = 150
WHOLE = "Wrong sign: this is the negative of the correct gradient."
EDITS = tuple(
    (rule, "The sign of {was} is wrong.")
    for rule in (signs.without_minus, signs.flipped, signs.negated)
)


def find(suspect: Suspect) -> Finding | None:
    """Change one sign after another; then compare with the negative of the gradient."""
    found = edited(suspect, EDITS)
    if found is None:
        return Finding(WHOLE) if constant(suspect) == -1 else None
    whole = suspect.made.shape == suspect.right.shape and suspect.is_right(-suspect.made)
    return replace(found, message=WHOLE) if whole else found
