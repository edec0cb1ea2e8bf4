"""Off by a constant factor.

What: everything is the same number of times too large, or one expression in the line is.

Why: a factor of the forward is forgotten or doubled: the 2 of a square, the 1/n of a mean, the
batch size.

Wrong:

    # bndiff2 = bndiff**2
    dbndiff += bndiff * dbndiff2

Right:

    dbndiff += 2 * bndiff * dbndiff2
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explaining.edits import Text, number
from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Suspect

CODE = "HG103"
NAME = "constant factor"


def find(suspect: Suspect) -> Finding | None:
    """Take each number out, or put one in."""
    text = suspect.text
    if text is None:
        return None
    for fix, said in _numbers(text):
        if suspect.mends(fix):
            return Finding(said, fix)
    return None


def _numbers(text: Text) -> Iterator[tuple[str, str]]:
    for node in text.of(ast.BinOp):
        if isinstance(node.op, ast.Mult | ast.Div):
            for side, other in ((node.left, node.right), (node.right, node.left)):
                if _constant(side) and (isinstance(node.op, ast.Mult) or side is node.right):
                    how = "" if isinstance(node.op, ast.Mult) else "1 / "
                    yield (
                        text.replace(node, text.segment(other)),
                        f"Off by the factor {how}{text.segment(side)}.",
                    )
    for constant in text.of(ast.Constant):
        value = constant.value
        if isinstance(value, int | float) and not isinstance(value, bool) and value:
            for factor in (2, 0.5, -1):
                yield text.replace(constant, number(value * factor)), _off(1 / factor)
    if text.value is not None:
        for part in [text.value, *text.of(ast.BinOp)]:
            for factor in (2, 0.5):
                yield text.wrap(part, f"{number(factor)} * {{}}"), _off(1 / factor)


def _off(factor: float) -> str:
    return f"Off by the factor {number(factor)}."


def _constant(node: ast.expr) -> bool:
    return not any(isinstance(part, ast.Name) for part in ast.walk(node))
