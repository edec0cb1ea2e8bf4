"""Parentheses exactly where the text would parse to another tree without them."""

import ast

import pytest

from handgrad.checker.write.precedence import is_sum, needs_parentheses

PLACES = ["x + b", "b + x", "b - x", "x * b", "b * x", "b / x", "x @ b", "x**2", "2**x", "-x", "~x",
          "b / -x", "b @ --x", "x.sum()", "x[0]", "y[x]", "f(x)", "f(k=x)", "x(1)"]  # fmt: skip
EXPRESSIONS = ["a", "2", "0.5", "a // c", "a.b", "a[0]", "f(a)", "a + c", "a - c", "a * c",
               "a / c", "a @ c", "a**c", "-a", "a < c", "a if b else c"]  # fmt: skip
CASES = [(place, e) for place in PLACES for e in EXPRESSIONS
         if place != "-x" or e not in ("a * c", "a / c", "a @ c")]  # fmt: skip


def is_same(text: str, tree: ast.expr) -> bool:
    return ast.unparse(ast.parse(text, mode="eval").body) == ast.unparse(tree)


@pytest.mark.parametrize(("place", "expression"), CASES)
def test_the_text_parses_to_the_intended_tree(place: str, expression: str) -> None:
    tree, new = (ast.parse(text, mode="eval").body for text in (place, expression))
    x = next(n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "x")
    parent = next((n for n in ast.walk(tree) if x in ast.iter_child_nodes(n)), None)
    above = next((n for n in ast.walk(tree) if parent in ast.iter_child_nodes(n)), None)
    needed = needs_parentheses(new, x, parent, above)
    at = x.col_offset
    text = place[:at] + (f"({expression})" if needed else expression) + place[at + 1 :]
    intended = Replace(new).visit(tree)
    assert is_same(text, intended)


def test_a_negative_product_needs_none() -> None:
    tree = ast.parse("-x", mode="eval").body
    assert isinstance(tree, ast.UnaryOp)
    product = ast.parse("a * c", mode="eval").body
    assert not needs_parentheses(product, tree.operand, tree)


class Replace(ast.NodeTransformer):
    def __init__(self, new: ast.expr) -> None:
        self.new = new

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.new if node.id == "x" else node


@pytest.mark.parametrize(
    ("text", "expected"), [("a + b", True), ("a - b", True), ("a < b", True), ("a * b", False)]
)
def test_what_binds_less_tightly_than_a_product(text: str, expected: bool) -> None:
    assert is_sum(ast.parse(text, mode="eval").body) is expected
