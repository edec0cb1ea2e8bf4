"""Matrices: transposes, swapped operands, einsum's letters, `*` for `@`."""

import ast
from collections.abc import Iterator, Sequence
from itertools import permutations

from handgrad.checker.explain.search.calls import calls
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.grammar.edit import Edit
from handgrad.checker.explain.search.products import (
    Product,
    products,
    stacked_turns,
    turn_in,
    turns,
    untransposed,
)
from handgrad.checker.explain.search.suspect import Suspect


def without_transpose(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Leave out one transpose."""
    for node, inner in turns(text):
        yield Edit(text.replace(node, text.segment(inner)), text.segment(inner))


def transposed(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Transpose one operand of a matrix product."""
    for product in _matrix_products(text):
        (left, right), (a, b) = product.sides, product.turned
        if untransposed(text, product.left) is None:
            yield Edit(product.of(a, right), text.segment(product.left))
        if untransposed(text, product.right) is None:
            yield Edit(product.of(left, b), text.segment(product.right))


def stacks_transposed(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Transpose one operand of a product of stacks of matrices, in the last two dimensions."""
    for product in _matrix_products(text):
        left, right = product.sides
        for way in stacked_turns(text):
            if untransposed(text, product.left) is None:
                turned = product.of(f"{text.atom(product.left)}{way}", right)
                yield Edit(turned, text.segment(product.left))
            if untransposed(text, product.right) is None:
                turned = product.of(left, f"{text.atom(product.right)}{way}")
                yield Edit(turned, text.segment(product.right))


def swapped(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Swap the operands of a matrix product, each as it is or transposed."""
    for product in _matrix_products(text):
        (left, right), (a, b) = product.sides, product.turned
        for x, y in ((right, left), (b, left), (right, a), (b, a)):
            yield Edit(product.of(x, y))


def both_transposed(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Transpose both operands of a matrix product."""
    for product in _matrix_products(text):
        yield Edit(product.of(*product.turned))


def names_transposed(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Transpose one name, wherever it stands."""
    for name in text.of(ast.Name):
        parent = text.parent(name)
        called = isinstance(parent, ast.Call) and parent.func is name
        if not called and not isinstance(parent, ast.Attribute) and name.id not in text.modules:
            yield Edit(text.replace(name, name.id + turn_in(text)), name.id)


def einsum_letters(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Exchange the last two letters of one term of an einsum."""
    for letters, operands, terms, out in _einsums(text):
        given = [text.segment(operand) for operand in operands[: len(terms)]]
        for i, term in enumerate([*terms, out]):
            bare = term.strip()
            if len(bare) < 2:
                continue
            other = term.replace(bare, bare[:-2] + bare[:-3:-1])
            changed = [*terms, out]
            changed[i] = other
            whole = _quoted(text, letters, changed[:-1], changed[-1])
            transposed = given[i] if i < len(given) else "the result"
            yield Edit(whole, f"{bare} must be {other.strip()}: {transposed}")


def einsum_operands(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Exchange the terms of an einsum."""
    for letters, _, terms, out in _einsums(text):
        for order in list(permutations(terms))[1:]:
            fix = _quoted(text, letters, order, out)
            yield Edit(fix, now=f"{','.join(order)}->{out}".strip())


def elementwise(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put an elementwise product for a matrix product."""
    for product in _matrix_products(text):
        yield Edit(product.other_kind(*product.sides), product.name)


def matrix(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put a matrix product for an elementwise one, its operands in every order and transposed."""
    for product in products(text):
        if not product.is_matrix:
            (left, right), (a, b) = product.sides, product.turned
            ways = [(x, y) for x in (left, a) for y in (right, b)]
            for x, y in [*ways, *((y, x) for x, y in ways)]:
                now = f"{x} @ {y}"
                yield Edit(product.other_kind(x, y), product.name, now)


def _matrix_products(text: Text) -> Iterator[Product]:
    return (product for product in products(text) if product.is_matrix)


def _einsums(
    text: Text,
) -> Iterator[tuple[ast.Constant, tuple[ast.expr, ...], list[str], str]]:
    """Yield the letters of each einsum, its operands, and the letters term by term."""
    for call in calls(text, ("einsum",)):
        letters = call.operand
        if isinstance(letters, ast.Constant) and isinstance(letters.value, str):
            terms, _, out = letters.value.partition("->")
            yield letters, call.rest, terms.split(","), out


def _quoted(text: Text, letters: ast.Constant, terms: Sequence[str], out: str) -> str:
    """Return the statement with other letters."""
    quote = text.segment(letters)[0]
    arrow = "->" if "->" in str(letters.value) else ""
    return text.replace(letters, f"{quote}{','.join(terms)}{arrow}{out}{quote}")
