"""Summed, or searched, along the other dimension.

What: sum(0) where sum(1) belongs, or the reverse; the same for max, softmax, mean.

Why: a sum undoes a broadcast, along the dimension that was broadcast: a row (1, H) that was added
to every row of a batch collects over the batch, dimension 0.

Wrong:

    # logits = h @ W2 + b2
    db2 = dlogits.sum(1)

Right:

    db2 = dlogits.sum(0)
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explaining.edits import Text
from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Suspect

CODE = "HG113"
NAME = "wrong axis"
_ALONG = {"sum", "mean", "max", "min", "amax", "amin", "argmax", "argmin", "softmax", "log_softmax",
          "var", "std", "cumsum", "prod", "norm", "logsumexp", "flip", "cat", "stack", "gather",
          "index_select", "index_add_", "scatter_add_", "unsqueeze"}  # fmt: skip


def find(suspect: Suspect) -> Finding | None:
    """Put another dimension wherever one is named."""
    if suspect.text is None:
        return None
    for call, axis, fix, other in _axes(suspect, suspect.text):
        if suspect.mends(fix):
            return Finding(
                f"{call} goes along dimension {axis} here; along dimension {other} is right.", fix
            )
    return None


def _axes(suspect: Suspect, text: Text) -> Iterator[tuple[str, int, str, int]]:
    for call in text.of(ast.Call):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name not in _ALONG:
            continue
        arguments = [*call.args, *(k.value for k in call.keywords if k.arg in ("dim", "axis"))]
        for argument in arguments:
            axis = suspect.value(text.segment(argument))
            if isinstance(axis, int) and not isinstance(axis, bool):
                for other in (1 - axis, 0, 1, 2, -1, -2):
                    if other != axis:
                        yield name, axis, text.replace(argument, str(other)), other
