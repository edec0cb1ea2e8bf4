"""A matrix product with the wrong sides: transposed, or the factors the other way round.

What: a `.T` too many or too few, the factors swapped, or an einsum whose letters are.

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
from itertools import permutations

from handgrad.checker.explain.search.calls import calls
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.products import Product, products, turn_in, turns, untransposed
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG114"
NAME = "transposed"
_SWAPPED = "The factors stand the other way round: a matrix product is not symmetric."


def find(suspect: Suspect) -> Finding | None:
    """Try the ways in which two matrices can be multiplied."""
    if suspect.text is None:
        return None
    for fix, what in _ways(suspect.text):
        if suspect.mends(fix):
            return Finding(what, fix)
    return None


def _ways(text: Text) -> Iterator[tuple[str, str]]:
    for node, inner in turns(text):
        said = text.segment(inner)
        yield text.replace(node, said), f"{said} is transposed here, and must not be."
    for product in products(text):
        if product.is_matrix:
            yield from _products(text, product)
    yield from _einsums(text)
    for name in text.of(ast.Name):
        if _may_turn(text, name):
            yield text.replace(name, name.id + turn_in(text)), f"{name.id} must be transposed here."


def _products(text: Text, product: Product) -> Iterator[tuple[str, str]]:
    (left, right), (a, b) = product.sides, product.turned()
    yield product.of(a, right), _must(text, product.left)
    yield product.of(left, b), _must(text, product.right)
    for x, y in ((right, left), (b, left), (right, a), (b, a)):
        yield product.of(x, y), _SWAPPED
    yield product.of(a, b), "Both factors are transposed, or neither must be."


def _einsums(text: Text) -> Iterator[tuple[str, str]]:
    """Yield einsums with the last two letters of one term the other way round, or operands."""
    for call in calls(text, ("einsum",)):
        letters = call.operand
        if not isinstance(letters, ast.Constant) or not isinstance(letters.value, str):
            continue
        quote = text.segment(letters)[0]
        terms, arrow, out = letters.value.partition("->")
        each = terms.split(",")
        for i, term in enumerate([*each, out]):
            bare = term.strip()
            if len(bare) < 2:
                continue
            other = term.replace(bare, bare[:-2] + bare[:-3:-1])
            made = [*each[:i], other, *each[i + 1 :]] if i < len(each) else each
            last = out if i < len(each) else other
            new = f"{','.join(made)}{arrow}{last}"
            said = f"{bare} must be {other.strip()}: {_which(text, call.rest, i)} is transposed."
            yield text.replace(letters, f"{quote}{new}{quote}"), said
        for order in list(permutations(each))[1:]:
            new = f"{','.join(order)}{arrow}{out}"
            yield (
                text.replace(letters, f"{quote}{new}{quote}"),
                (f"The letters of the operands are exchanged: {new.strip()} is right."),
            )


def _which(text: Text, operands: tuple[ast.expr, ...], i: int) -> str:
    return text.segment(operands[i]) if i < len(operands) else "what it gives"


def _must(text: Text, node: ast.expr) -> str:
    inner = untransposed(text, node)
    if inner is not None:
        return f"{text.segment(inner)} is transposed here, and must not be."
    return f"{text.segment(node)} must be transposed here."


def _may_turn(text: Text, name: ast.Name) -> bool:
    parent = text.parent(name)
    attribute = isinstance(parent, ast.Attribute)
    return (
        not attribute
        and name.id not in text.modules
        and not (isinstance(parent, ast.Call) and parent.func is name)
    )
