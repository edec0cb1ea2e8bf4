"""A forward value in the place of its gradient, or a gradient in the place of its value.

What: the d is forgotten (bnvar for dbnvar), or stands where it does not belong.

Why: the chain rule multiplies a local derivative, made of forward values, by the gradient that
comes back. A value and its gradient have the same shape, and their names differ by one letter.

Wrong:

    # bnvar = 1 / (n - 1) * bndiff2.sum(0, keepdim=True)
    dbndiff2 = 1 / (n - 1) * torch.ones_like(bndiff2) * bnvar

Right:

    dbndiff2 = 1 / (n - 1) * torch.ones_like(bndiff2) * dbnvar
"""

import ast

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG106"
NAME = "forward value for gradient"


def find(suspect: Suspect) -> Finding | None:
    """Put the gradient for each forward value, and the value for each gradient."""
    if suspect.text is None:
        return None
    nodes = {hand: node for node, hand in suspect.gradients.items()}
    for name in suspect.text.of(ast.Name):
        gradient = suspect.gradients.get(name.id)
        if gradient is not None and gradient != suspect.hand.name:
            fix = suspect.text.replace(name, gradient)
            if suspect.mends(fix):
                return Finding(
                    f"{name.id} is the forward value; its gradient {gradient} belongs here.", fix
                )
    for name in suspect.text.of(ast.Name):
        if name.id in nodes:
            fix = suspect.text.replace(name, nodes[name.id])
            if suspect.mends(fix):
                return Finding(
                    f"{name.id} is a gradient; the forward value {nodes[name.id]} belongs here.",
                    fix,
                )
    return None
