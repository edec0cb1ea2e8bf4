"""A mean where a sum belongs, or a sum where the forward takes a mean.

What: a broadcast is undone by a mean; or the division by n of a mean in the forward is forgotten.

Why: what was broadcast collects the sum of what comes back to its copies. Only a mean in the
forward divides, and then the backward divides by the same count.

Wrong:

    # logits = h @ W2 + b2
    db2 = dlogits.mean(0)

Right:

    db2 = dlogits.sum(0)
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explaining.edits import Text
from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Suspect

CODE = "HG117"
NAME = "mean for sum"


def find(suspect: Suspect) -> Finding | None:
    """Put sum for mean and mean for sum."""
    if suspect.text is None:
        return None
    for fix, got, right in _exchanged(suspect.text):
        if suspect.mends(fix):
            return Finding(f"It takes the {got} where the {right} is right.", fix)
    return None


def _exchanged(text: Text) -> Iterator[tuple[str, str, str]]:
    for call in text.of(ast.Call):
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr in ("sum", "mean"):
            other = "mean" if function.attr == "sum" else "sum"
            name = text.segment(function)
            made = name[: len(name) - len(function.attr)] + other
            yield text.replace(function, made), function.attr, other
