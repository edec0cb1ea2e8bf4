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

from handgrad.checker.explaining.edits import Text
from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Suspect

CODE = "HG110"
NAME = "missing sum"


def find(suspect: Suspect) -> Finding | None:
    """Sum the whole, or one expression in it, along each dimension."""
    if suspect.text is None:
        return None
    for fix, how in _summed(suspect, suspect.text):
        if suspect.mends(fix):
            return Finding(
                f"A sum over the broadcast {how} is missing: every copy of {suspect.node.name} "
                "sends something back, and it adds up.",
                fix,
            )
    return None


def _summed(suspect: Suspect, text: Text) -> Iterator[tuple[str, str]]:
    value = text.value
    if value is None:
        return
    inner = [node for node in text.of(ast.expr) if isinstance(node, ast.Name | ast.BinOp)]
    for node in dict.fromkeys([value, *inner]):
        for dims in ("0", "1", "-1", "(0, 1)", "-2", "2"):
            for keep in (", keepdim=True", ""):
                yield text.wrap(node, f"{{}}.sum({dims}{keep})"), f"dimension {dims}"
        yield text.wrap(node, "{}.sum()"), "dimensions"
