"""The right value in the wrong shape.

What: every number is correct, but there is one dimension of size 1 too many or too few, or one row
stands for all the equal rows of the gradient.

Why: sum(0) drops the dimension, sum(0, keepdim=True) keeps it with size 1. A gradient has the shape
of its tensor; (64,) instead of (1, 64) passes a comparison that broadcasts.

Wrong:

    # bnmeani = 1 / n * hprebn.sum(0, keepdim=True)
    dbnmeani = (-dbndiff).sum(0)

Right:

    dbnmeani = (-dbndiff).sum(0, keepdim=True)
"""

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar import reductions
from handgrad.checker.explain.search.grammar.edit import corrected
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG137"
NAME = "shape"
ORDER = 10


def find(suspect: Suspect) -> Finding | None:
    """Keep a dimension, or drop it; otherwise reshape the whole."""
    if suspect.grade.fit is None or suspect.grade.root:
        return None
    return Finding(None, corrected(suspect, reductions.in_shape))
