"""`**` for `*`, or `*` for `**`.

What: x**2 where 2 * x is meant, or x * 2 where x**2 is.

Why: one star too many, or one too few, and both are valid.

Wrong:

    # h = torch.tanh(hpreact)
    dhpreact = (1 - h * 2) * dh

Right:

    dhpreact = (1 - h**2) * dh
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG116"
NAME = "power for product"


def find(suspect: Suspect) -> Finding | None:
    """Put one star for two, and two for one."""
    if suspect.text is None:
        return None
    for fix, what in _starred(suspect.text):
        if suspect.mends(fix):
            return Finding(what, fix)
    return None


def _starred(text: Text) -> Iterator[tuple[str, str]]:
    for node in text.of(ast.BinOp):
        left, sign, right = text.sides(node)
        if isinstance(node.op, ast.Pow):
            other = text.exchanged(node, "*")
            yield other, f"{left}{sign}{right} is a power; the product {left} * {right} is meant."
        elif isinstance(node.op, ast.Mult):
            for base, exponent in ((left, right), (right, left)):
                if _is_number(exponent):
                    power = f"{base}**{exponent}"
                    said = f"{left}{sign}{right} is a product; the power {power} is meant."
                    yield text.replace(node, power), said


def _is_number(written: str) -> bool:
    try:
        return isinstance(ast.literal_eval(written), int | float)
    except (ValueError, SyntaxError):
        return False
