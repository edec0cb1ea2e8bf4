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

from handgrad.checker.explaining.edits import Text
from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Suspect

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
    return None


def _times(text: Text, gradient: str) -> Iterator[str]:
    value = text.value
    if value is None:
        return
    inner = [node for node in text.of(ast.expr) if isinstance(node, ast.expr)]
    for node in dict.fromkeys([value, *inner]):
        segment = text.segment(node)
        one = isinstance(node, ast.Constant) and node.value == 1
        loose = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
        yield text.replace(
            node,
            gradient
            if one
            else f"({segment}) * {gradient}"
            if loose
            else f"{segment} * {gradient}",
        )
        yield text.replace(node, f"{gradient} @ {segment}")
        yield text.replace(node, f"{segment} @ {gradient}")
