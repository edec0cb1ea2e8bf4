"""Another tensor of the same shape.

What: one of the names is wrong, such as bnraw for bndiff.

Why: the gradient of one factor of a product contains the other factor of the forward pass. Tensors
of the same shape can be mixed up without an error.

Wrong:

    # bnraw = bndiff * bnvar_inv
    dbnvar_inv = (bnraw * dbnraw).sum(0, keepdim=True)

Right:

    dbnvar_inv = (bndiff * dbnraw).sum(0, keepdim=True)
"""

from handgrad.checker.explain.search.exchanged import belongs_to
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar.edit import edited
from handgrad.checker.explain.search.grammar.names import (
    due_for_computed,
    due_operands,
    other_names,
)
from handgrad.checker.explain.search.shares import is_upstream_alone
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG107"
NAME = "wrong operand"
ORDER = 280
_MESSAGE = "{was} is used where {now} belongs."
EDITS = ((other_names, _MESSAGE), (due_operands, _MESSAGE))
COMPUTED = ((due_for_computed, _MESSAGE),)


def find(suspect: Suspect) -> Finding | None:
    """Try every other tensor for each name; then compare the whole with the other gradients."""
    exchanged = edited(suspect, EDITS)
    return exchanged or _crossed(suspect)


def computed(suspect: Suspect) -> Finding | None:
    """Try the tensors of the correct gradient for what the line computes on the way."""
    return edited(suspect, COMPUTED)


def _crossed(suspect: Suspect) -> Finding | None:
    """Find the other node whose gradient this is, stored under the wrong name."""
    if any(is_upstream_alone(suspect, part) for part in suspect.parts):
        return None  # the local derivative is missing
    other = belongs_to(suspect)
    if other is None:
        return None
    return Finding(
        f"This is the gradient of {other.name}, stored under the name {suspect.hand.name}."
    )
