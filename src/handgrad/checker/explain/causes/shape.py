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

from collections.abc import Iterator

from handgrad.checker.explain.search.calls import REDUCTIONS, calls
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG137"
NAME = "shape"


def find(suspect: Suspect) -> Finding | None:
    """Keep a dimension, or drop it; failing that, mend the shape of the whole."""
    fit = suspect.grade.fit
    if fit is None or suspect.grade.root:
        return None
    if suspect.text is None:
        return Finding(None)
    return Finding(None, suspect.first(_shaped(suspect.text, fit.mend)))


def _shaped(text: Text, mend: str) -> Iterator[str]:
    for call in calls(text, REDUCTIONS):
        yield call.kept()
    for call in calls(text, ("unsqueeze", "squeeze", "view", "reshape", "flatten")):
        yield call.left_out()
    value = text.value
    if value is not None and mend.startswith("."):
        yield text.wrap(value, f"{{}}{mend}")
