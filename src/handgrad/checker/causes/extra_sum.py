"""A sum over a dimension that was never broadcast.

What: the gradient is summed where each element has a gradient of its own.

Why: a sum undoes a broadcast. Where the forward did not broadcast, elements keep what came back to
them, and a sum with keepdim spreads the same total over all by broadcasting.

Wrong:

    # bnraw = bndiff * bnvar_inv
    dbndiff = bnvar_inv * dbnraw.sum(0, keepdim=True)

Right:

    dbndiff = bnvar_inv * dbnraw
"""

import ast

from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Suspect

CODE = "HG111"
NAME = "extra sum"


def find(suspect: Suspect) -> Finding | None:
    """Leave out one reduction after the other."""
    if suspect.text is None:
        return None
    for call in suspect.text.of(ast.Call):
        function = call.func
        if not isinstance(function, ast.Attribute) or function.attr not in ("sum", "mean"):
            continue
        inner = suspect.text.segment(function.value)
        fix = suspect.text.replace(call, inner)
        if suspect.mends(fix):
            return Finding(
                f"{inner} is summed here, and must not be: the forward does not broadcast along "
                "that dimension.",
                fix,
            )
    return None
