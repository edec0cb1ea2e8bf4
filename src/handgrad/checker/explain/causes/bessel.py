"""Bessel's correction in the forward and not in the backward, or the reverse.

What: a variance that divides by n - 1 has a backward that divides by n, or the other way round.

Why: the backward divides by whatever the forward divided by. Only the mean divides by n.

Wrong:

    # bnvar = 1 / (n - 1) * bndiff2.sum(0, keepdim=True)
    dbndiff2 = 1 / n * torch.ones_like(bndiff2) * dbnvar

Right:

    dbndiff2 = 1 / (n - 1) * torch.ones_like(bndiff2) * dbnvar
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG118"
NAME = "Bessel's correction"
FEW = 3
"""A 2 in a line is more often the exponent of a square than a count."""


def find(suspect: Suspect) -> Finding | None:
    """Put n - 1 for n, and n for n - 1, wherever a count stands."""
    if suspect.text is None:
        return None
    for fix, got, right in _counts(suspect, suspect.text):
        if suspect.mends(fix):
            return Finding(
                f"It counts {got} where the forward counts {right}: Bessel's correction belongs in "
                "both or in neither.",
                fix,
            )
    return None


def _counts(suspect: Suspect, text: Text) -> Iterator[tuple[str, str, str]]:
    corrected = set()
    for node in text.of(ast.BinOp):
        one = isinstance(node.right, ast.Constant) and node.right.value == 1
        if one and isinstance(node.op, ast.Sub) and _is_count(suspect, text.segment(node.left)):
            corrected.add(id(node.left))
            left = text.segment(node.left)
            yield text.replace(node, left), text.segment(node), left
    for part in text.of(ast.expr):
        parent = text.parent(part)
        divides = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div | ast.Mult)
        if divides and isinstance(part, ast.Constant) and isinstance(part.value, int):
            if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div):
                yield from _literals(suspect, text, part, part.value)
        elif divides and id(part) not in corrected and _is_count(suspect, text.segment(part)):
            less = f"{text.segment(part)} - 1"
            yield text.replace(part, less), text.segment(part), less
    value = text.value
    if value is not None and _is_count(suspect, text.segment(value)):  # dx /= n
        yield (
            text.replace(value, f"({text.segment(value)} - 1)"),
            text.segment(value),
            f"{text.segment(value)} - 1",
        )


def _literals(
    suspect: Suspect, text: Text, part: ast.Constant, count: int
) -> Iterator[tuple[str, str, str]]:
    """Yield the statement with one less for a number that counts, or one more."""
    sizes = {size for node in suspect.names.values() for size in node.value.shape}
    for other, size in ((count - 1, count), (count + 1, count + 1)):
        if count >= FEW and size in sizes:
            yield text.replace(part, str(other)), str(count), str(other)


def _is_count(suspect: Suspect, source: str) -> bool:
    """Tell whether it is how many rows or columns something has that the line is made of."""
    found = suspect.value(source)
    if not isinstance(found, int) or isinstance(found, bool) or found < FEW:
        return False
    sizes = {size for node in suspect.names.values() for size in node.value.shape}
    return found in sizes or found + 1 in sizes
