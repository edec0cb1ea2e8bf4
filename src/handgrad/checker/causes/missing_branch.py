"""A branch is missing: the node is used twice, and one use sends nothing back.

What: of the consumers of a node one is forgotten, a `+=` is left out, or a second `=` throws the
first branch away.

Why: what a tensor is used for twice sends back two gradients, and they add up.

Wrong:

    # counts_sum = counts.sum(1, keepdim=True); probs = counts * counts_sum_inv
    dcounts = counts_sum_inv * dprobs

Right:

    dcounts = counts_sum_inv * dprobs
    dcounts += torch.ones_like(counts) * dcounts_sum
"""

import ast
from itertools import combinations

import torch
from torch import Tensor

from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Part, Suspect

CODE = "HG101"
NAME = "missing branch"


def find(suspect: Suspect) -> Finding | None:
    """Hold what was made to what is right less one branch or more."""
    lost = _lost(suspect)
    if not lost:
        return None
    names = " and ".join(part.consumer for part in lost)
    said = f"{suspect.hand.name} lacks the branch through {names}"
    text = suspect.text
    if (
        text is not None
        and isinstance(text.tree, ast.Assign)
        and suspect.views[0].before is not None
    ):
        fix = f"{text.segment(text.tree.targets[0])} += {text.segment(text.tree.value)}"
        if suspect.mends(fix):
            return Finding(f"{said}: `=` throws away what stood there, `+=` adds to it.", fix)
    return Finding(f"{said}.")


def _lost(suspect: Suspect) -> tuple[Part, ...]:
    """Return the fewest branches without which what is right is what was made."""
    parts = suspect.parts
    if suspect.made.shape != suspect.right.shape or len(parts) < 2:
        return ()
    for size in range(1, len(parts)):
        for lost in combinations(parts, size):
            if all(_without(suspect, lost, i) for i in range(len(suspect.views))):
                return lost
    return ()


def _without(suspect: Suspect, lost: tuple[Part, ...], view: int) -> bool:
    if any(len(part.values) <= view for part in lost):
        return False
    absent: Tensor = torch.stack([part.values[view] for part in lost]).sum(0)
    return suspect.is_right(suspect.makes(view) + absent, view)
