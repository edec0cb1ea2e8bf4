"""A gradient returned in the wrong position.

What: a backward function returns correct gradients in a different order than its inputs, or the
caller unpacks them in a different order.

Why: only the position says which input a gradient belongs to. Where the shapes agree, there is no
error.

Wrong:

    # forward(x, W, b)
    return x.T @ dout, dout @ W.T, dout.sum(0)

Right:

    return dout @ W.T, x.T @ dout, dout.sum(0)
"""

import ast

from handgrad.checker.explain.search.exchanged import belongs_to, in_order
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG131"
NAME = "returned in the wrong position"
ORDER = 50


def find(suspect: Suspect) -> Finding | None:
    """Hold what stands in one position to the gradients of all nodes."""
    tree = None if suspect.unit is None else suspect.unit.tree
    returns = isinstance(tree, ast.Return)
    taken = isinstance(tree, ast.Assign) and isinstance(tree.value, ast.Call)
    if not returns and not (taken and len(suspect.statement.targets) > 1):
        return None
    other = belongs_to(suspect)
    if other is None:
        return None
    name = suspect.node.name
    if returns:
        sentence = message(other.name, name)
    else:
        sentence = (
            f"{suspect.hand.name} gets the gradient of {other.name}: the function returns its "
            "gradients in a different order than these names."
        )
    return Finding(sentence, in_order(suspect))


def message(other: str, name: str) -> str:
    """Return what to say where the gradient of `other` is returned for `name`."""
    return f"The gradient of {other} is returned in place of the gradient of {name}."
