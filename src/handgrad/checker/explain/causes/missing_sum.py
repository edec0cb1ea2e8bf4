"""A sum over a broadcast dimension is missing.

What: what came back to all the copies of a broadcast tensor is not added up.

Why: forward, one row served every row of the batch; backward, it collects from all of them.

Wrong:

    # hpreact = bngain * bnraw + bnbias
    dbngain = bnraw * dhpreact

Right:

    dbngain = (bnraw * dhpreact).sum(0, keepdim=True)
"""

import ast
from collections.abc import Iterator
from itertools import combinations

from torch import Tensor

from handgrad.checker.explain.search.calls import counts_back, reduced
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG110"
NAME = "missing sum"
MOST = 4
"""Tensors of more dimensions than this are summed over one of them, or over all."""


def find(suspect: Suspect) -> Finding | None:
    """Sum the whole, or one expression in it, along each dimension."""
    if suspect.text is None:
        return None
    for fix, how in _summed(suspect, suspect.text):
        if suspect.mends(fix):
            return Finding(
                f"A sum over {how} is missing: every copy of {suspect.node.name} that the forward "
                "broadcasts sends something back, and it adds up.",
                fix,
            )
    return None


def _summed(suspect: Suspect, text: Text) -> Iterator[tuple[str, str]]:
    value = text.value
    if value is None:
        return
    inner = [node for node in text.of(ast.expr) if isinstance(node, ast.Name | ast.BinOp)]
    for node in dict.fromkeys([value, *inner]):
        found = suspect.value(text.segment(node))
        if not isinstance(found, Tensor) or not found.is_floating_point() or not found.ndim:
            continue
        for dims, how in _dims(found.ndim, counts_back(text)):
            for keep in (True, False):
                yield reduced(text, node, "sum", dims, keep), how
        yield reduced(text, node, "sum", "", False), "all dimensions"


def _dims(rank: int, back: bool) -> Iterator[tuple[str, str]]:
    """Yield dimensions, the last of them as the author counts it."""
    for i in range(rank):
        last = back and i == rank - 1 > 0
        yield str(-1 if last else i), "the last dimension" if last else f"dimension {i}"
    for size in range(2, rank + 1 if rank <= MOST else 0):
        for some in combinations(range(rank), size):
            yield str(some), f"dimensions {', '.join(map(str, some))}"
