"""Summed before it was multiplied.

What: a.sum(0) * b.sum(0), or a * b.sum(0), where (a * b).sum(0) is meant.

Why: a factor that was broadcast collects the products of all the elements that it multiplied; the
sum of products is not the product of sums.

Wrong:

    # hpreact = bngain * bnraw + bnbias
    dbngain = bnraw.sum(0, keepdim=True) * dhpreact.sum(0, keepdim=True)

Right:

    dbngain = (bnraw * dhpreact).sum(0, keepdim=True)
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explaining.edits import Text
from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Suspect

CODE = "HG112"
NAME = "sum before multiply"


def find(suspect: Suspect) -> Finding | None:
    """Move the sums of a product's factors out of it."""
    if suspect.text is None:
        return None
    fix = suspect.first(_moved(suspect.text))
    if fix is None:
        return None
    return Finding(
        "It is summed before it is multiplied: the sum of the products is meant, not the product "
        "of the sums.",
        fix,
    )


def _moved(text: Text) -> Iterator[str]:
    for node in text.of(ast.BinOp):
        if not isinstance(node.op, ast.Mult):
            continue
        sides = (node.left, node.right)
        hows = [how for side in sides if (how := _sum(text, side)) is not None]
        if hows:
            inner = " * ".join(_inner(text, side) for side in sides)
            yield text.replace(node, f"({inner}){hows[0]}")


def _sum(text: Text, node: ast.expr) -> str | None:
    """Return `.sum(0, keepdim=True)` of `x.sum(0, keepdim=True)`."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "sum"
    ):
        whole, inner = text.segment(node), text.segment(node.func)
        return "." + node.func.attr + whole[len(inner) :]
    return None


def _inner(text: Text, node: ast.expr) -> str:
    if _sum(text, node) is None:
        return text.segment(node)
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Attribute)
    inner = text.segment(node.func.value)
    loose = isinstance(node.func.value, ast.BinOp) and isinstance(
        node.func.value.op, ast.Add | ast.Sub
    )
    return f"({inner})" if loose else inner
