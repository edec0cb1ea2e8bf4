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

import torch

from handgrad.checker.closeness import same_numbers
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar.edit import edited
from handgrad.checker.explain.search.grammar.names import other_names
from handgrad.checker.explain.search.shares import is_upstream_alone
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG107"
NAME = "wrong operand"
ORDER = 280


def find(suspect: Suspect) -> Finding | None:
    """Put every other tensor for each name; then hold the whole to the other gradients."""
    exchanged = edited(suspect, ((other_names, "{was} is used where {now} belongs."),))
    return exchanged or _crossed(suspect)


def _crossed(suspect: Suspect) -> Finding | None:
    """Find the other node whose gradient this is: under the wrong name."""
    if any(is_upstream_alone(suspect, part) for part in suspect.parts):
        return None  # the local derivative is missing
    if suspect.made.shape != suspect.right.shape or suspect.is_right(
        torch.zeros_like(suspect.made)
    ):
        return None
    for name, node in suspect.names.items():
        sent = suspect.backward.parts.get(id(node.value), {}).values()
        if node.value is suspect.node.value or node.value.shape != suspect.made.shape or not sent:
            continue
        views = range(len(suspect.views))
        if any(len(values) <= len(views) - 1 for values in sent):
            continue
        theirs = [torch.stack([values[i] for values in sent]).sum(0) for i in views]
        if all(same_numbers(suspect.makes(i), theirs[i]) for i in views):
            return Finding(
                f"This is the gradient of {name}, stored under the name {suspect.hand.name}."
            )
    return None
