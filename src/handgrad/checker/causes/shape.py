"""The right value in the wrong shape.

What: every number is right, but there is a dimension of size 1 too many or too few.

Why: sum(0) drops the dimension, sum(0, keepdim=True) keeps it with size 1. A gradient has the shape
of its tensor; (64,) in the place of (1, 64) passes a comparison that broadcasts.

Wrong:

    # bnmeani = 1 / n * hprebn.sum(0, keepdim=True)
    dbnmeani = (-dbndiff).sum(0)

Right:

    dbnmeani = (-dbndiff).sum(0, keepdim=True)
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explaining.edits import Text
from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Suspect

CODE = "HG137"
NAME = "shape"
_KEEPS = {"sum", "mean", "max", "min", "amax", "amin", "var", "std", "norm", "prod", "logsumexp"}


def find(suspect: Suspect) -> Finding | None:
    """Keep a dimension, or drop it; failing that, mend the shape of the whole."""
    fit = suspect.grade.fit
    if fit is None or suspect.grade.root:
        return None
    if suspect.text is None:
        return Finding(None)
    return Finding(None, suspect.first(_shaped(suspect.text, fit.mend)))


def _shaped(text: Text, mend: str) -> Iterator[str]:
    for call in text.of(ast.Call):
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in _KEEPS:
            continue
        kept = [k for k in call.keywords if k.arg in ("keepdim", "keepdims")]
        whole = text.segment(call)
        if not kept:
            yield text.replace(call, f"{whole[:-1]}{', ' if call.args else ''}keepdim=True)")
            continue
        listed = [text.segment(a) for a in call.args]
        listed += [f"{k.arg}={text.segment(k.value)}" for k in call.keywords if k not in kept]
        yield text.replace(call, f"{text.segment(call.func)}({', '.join(listed)})")
    value = text.value
    if value is not None and mend.startswith("."):
        yield text.wrap(value, f"{{}}{mend}")
