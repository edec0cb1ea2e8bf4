"""The gradient that comes back is missing: the local derivative alone.

What: the chain rule is forgotten, the line never reads the gradient of what the node went into.

Why: a gradient is the local derivative times what comes back from there.

Wrong:

    # counts = norm_logits.exp()
    dnorm_logits = counts

Right:

    dnorm_logits = counts * dcounts
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG108"
NAME = "upstream gradient missing"


def find(suspect: Suspect) -> Finding | None:
    """Multiply by the gradient of each consumer that the line does not read."""
    if suspect.text is None:
        return None
    read = {name.id for name in suspect.text.of(ast.Name)}
    for part in suspect.parts:
        if part.hand is None or part.hand in read:
            continue
        fix = suspect.first(_times(suspect.text, part.hand))
        if fix is not None:
            return Finding(
                f"This is the local derivative alone: {part.hand}, which comes back from "
                f"{part.consumer}, is missing.",
                fix,
            )
        for node in _inner(suspect.text):
            fix = suspect.text.replace(node, part.hand)
            if suspect.mends(fix):
                said = f"{suspect.text.segment(node)} stands where {part.hand} belongs, which comes"
                return Finding(f"{said} back from {part.consumer}.", fix)
    return None


def _inner(text: Text) -> Iterator[ast.expr]:
    """Yield what is computed in the line on the way to its value."""
    for node in text.of(ast.expr):
        if isinstance(node, ast.BinOp | ast.Call | ast.Compare) and node is not text.value:
            yield node


def _times(text: Text, gradient: str) -> Iterator[str]:
    value = text.value
    if value is None:
        return
    for node in dict.fromkeys([value, *text.of(ast.expr)]):
        if _is_no_factor(text, node):
            continue
        segment = text.segment(node)
        if isinstance(node, ast.Constant):
            yield text.replace(node, gradient if node.value == 1 else f"{segment} * {gradient}")
            continue
        if isinstance(node, ast.Call) and text.segment(node.func).endswith(("ones_like", "ones")):
            yield text.replace(node, gradient)
        loose = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
        factor = f"({segment})" if loose else segment
        yield text.replace(node, f"{factor} * {gradient}")
        yield text.replace(node, f"{gradient} @ {factor}")
        yield text.replace(node, f"{factor} @ {gradient}")


def _is_no_factor(text: Text, node: ast.expr) -> bool:
    """Tell whether it is a function's name, a module, an exponent: nothing to multiply."""
    parent = text.parent(node)
    if isinstance(parent, ast.Call) and parent.func is node:
        return True
    if isinstance(node, ast.Name) and node.id in text.modules:
        return True
    if isinstance(parent, ast.keyword | ast.Tuple | ast.Slice):
        return True
    raised = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow)
    return raised and isinstance(parent, ast.BinOp) and parent.right is node
