"""A neighbour's name: another tensor of the same shape.

What: one of the names is not the one that belongs here, such as bnraw for bndiff.

Why: the gradient of one factor of a product takes the other factor, as the forward has it. Tensors
of the same shape are exchanged without an error.

Wrong:

    # bnraw = bndiff * bnvar_inv
    dbnvar_inv = (bnraw * dbnraw).sum(0, keepdim=True)

Right:

    dbnvar_inv = (bndiff * dbnraw).sum(0, keepdim=True)
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Suspect

CODE = "HG107"
NAME = "wrong operand"


def find(suspect: Suspect) -> Finding | None:
    """Put every other tensor for each name: those of the same shape first."""
    if suspect.text is None:
        return None
    for name in suspect.text.of(ast.Name):
        for other in _others(suspect, name.id):
            fix = suspect.text.replace(name, other)
            if suspect.mends(fix):
                return Finding(f"{name.id} stands where {other} belongs.", fix)
    return None


def _others(suspect: Suspect, name: str) -> Iterator[str]:
    """Yield the names of tensors that may be meant instead: nodes and their gradients."""
    own = suspect.tensor(name)
    if own is None:
        return
    known = dict.fromkeys([*suspect.names, *suspect.gradients.values()])
    for same in (True, False):
        for other in known:
            value = suspect.tensor(other) if other not in (name, suspect.hand.name) else None
            if value is None or (value.shape == own.shape) != same:
                continue
            if same or value.dim() == own.dim():
                yield other
