"""A matrix product with the wrong sides: transposed, swapped, or elementwise.

What: `*` for `@`, a `.T` too many or too few, or the factors the other way round.

Why: for y = x @ W the shapes leave one way only: dx = dy @ W.T is (n, in), dW = x.T @ dy is
(in, out). Where a matrix is square, a wrong one passes without an error.

Wrong:

    # logits = h @ W2 + b2
    dh = dlogits @ W2

Right:

    dh = dlogits @ W2.T
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explaining.edits import Text
from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Suspect

CODE = "HG114"
NAME = "transposed or elementwise for a matrix product"


def find(suspect: Suspect) -> Finding | None:
    """Try the ways in which two matrices can be multiplied."""
    if suspect.text is None:
        return None
    for fix, what in _ways(suspect.text):
        if suspect.mends(fix):
            return Finding(what, fix)
    return None


def _ways(text: Text) -> Iterator[tuple[str, str]]:
    for node in text.of(ast.Attribute):
        if node.attr in ("T", "mT"):
            inner = text.segment(node.value)
            yield text.replace(node, inner), f"{inner} is transposed here, and must not be."
    for product in text.of(ast.BinOp):
        left, right = text.segment(product.left), text.segment(product.right)
        if isinstance(product.op, ast.Mult):
            for a in (left, _transposed(product.left, left)):
                for b in (right, _transposed(product.right, right)):
                    said = f"the forward's product is a matrix product: {a} @ {b}."
                    yield text.replace(product, f"{a} @ {b}"), f"`*` multiplies elementwise; {said}"
        elif isinstance(product.op, ast.MatMult):
            yield from _products(text, product, left, right)
    for name in text.of(ast.Name):
        parent = text.parent(name)
        if not isinstance(parent, ast.Attribute):
            yield text.replace(name, f"{name.id}.T"), f"{name.id} must be transposed here."


def _products(text: Text, node: ast.BinOp, left: str, right: str) -> Iterator[tuple[str, str]]:
    a, b = _transposed(node.left, left), _transposed(node.right, right)
    yield text.replace(node, f"{a} @ {right}"), _must(node.left, left, a)
    yield text.replace(node, f"{left} @ {b}"), _must(node.right, right, b)
    swapped = "The factors stand the other way round: a matrix product is not symmetric."
    for x, y in ((right, left), (b, left), (right, a), (b, a)):
        yield text.replace(node, f"{x} @ {y}"), swapped
    yield text.replace(node, f"{a} @ {b}"), "Both factors are transposed, or neither must be."
    yield (
        text.replace(node, f"{left} * {right}"),
        "`@` is a matrix product; the forward multiplies elementwise.",
    )


def _must(node: ast.expr, text: str, other: str) -> str:
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        return f"{other} is transposed here, and must not be."
    return f"{text} must be transposed here."


def _transposed(node: ast.expr, text: str) -> str:
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        return text[: text.rindex(".")]
    return f"{text}.T" if isinstance(node, ast.Name | ast.Call | ast.Subscript) else f"({text}).T"
