"""Expressions as syntax trees: fill in templates, drop trivial factors, print them.

The printed text follows the field's spacing: `x**-2`, not `x ** (-2)`.
"""

import ast
import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeGuard

from torch import Tensor


@dataclass(frozen=True)
class Expr:
    """An expression with a value of its shape and dtype. A number stands for itself."""

    node: ast.expr
    value: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape) if isinstance(self.value, Tensor) else ()

    @property
    def is_number(self) -> bool:
        return not isinstance(self.value, Tensor)

    @property
    def text(self) -> str:
        return printed(self.node)

    def fills(self, tensor: Tensor) -> bool:
        """Tell whether the value has the shape of a tensor, without broadcasting."""
        return not self.is_number and self.shape == tuple(tensor.shape)


@lru_cache(maxsize=2048)
def parsed(text: str) -> ast.expr:
    """Return the tree of an expression. It is cached and shared: do not change it."""
    return ast.parse(text, mode="eval").body


def names_in(node: ast.AST) -> list[str]:
    """Return the names that an expression reads, one entry for each occurrence."""
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]


def methods_of(name: str, text: str) -> set[str]:
    """Return the attributes of `name` that an expression uses: {"sum"} for `d.sum(1)`."""
    attributes = (n for n in ast.walk(parsed(text)) if isinstance(n, ast.Attribute))
    return {n.attr for n in attributes if isinstance(n.value, ast.Name) and n.value.id == name}


def filled(template: ast.expr, parts: Mapping[str, ast.expr]) -> ast.expr:
    """Return a copy of the template with each name in `parts` replaced by its expression."""
    result = _Fill(parts).visit(copy.deepcopy(template))
    assert isinstance(result, ast.expr)
    return result


def total(terms: Sequence[Expr]) -> Expr:
    """Return the sum of one or more expressions, in their order."""
    result = terms[0]
    for term in terms[1:]:
        node = filled(parsed("a + b"), {"a": result.node, "b": term.node})
        result = Expr(node, result.value + term.value)
    return result


class _Fill(ast.NodeTransformer):
    def __init__(self, parts: Mapping[str, ast.expr]) -> None:
        self.parts = parts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        part = self.parts.get(node.id)
        return node if part is None else copy.deepcopy(part)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        left, right = node.left, node.right
        if isinstance(node.op, ast.Mult):
            return _product(node)
        if isinstance(node.op, ast.Div):
            if _is(right, 1):
                return left
            if _is_negative(left) and isinstance(left.operand, ast.Constant):
                return node
        if isinstance(node.op, ast.Add) and _is_negative(right):
            return ast.BinOp(left, ast.Sub(), right.operand)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        return _negative(node.operand) if isinstance(node.op, ast.USub) else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Drop a transpose of a transpose."""
        self.generic_visit(node)
        inner = node.value
        if node.attr not in ("T", "mT"):
            return node
        if isinstance(inner, ast.Attribute) and inner.attr in ("T", "mT"):
            return inner.value
        if node.attr == "mT" and isinstance(inner, ast.BinOp) and is_product(inner):
            turned = (ast.Attribute(part, "mT", ast.Load()) for part in (inner.right, inner.left))
            left, right = map(self.visit_Attribute, turned)
            return ast.BinOp(left, ast.MatMult(), right)
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            dims = ast.unparse(ast.Tuple(inner.args, ast.Load()))
            if inner.func.attr == "transpose" and dims in ("(-2, -1)", "(-1, -2)"):
                return inner.func.value
        return node


def is_product(node: ast.expr) -> bool:
    """Tell whether an expression is a product of matrices."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)


def transposed(node: ast.expr, rank: int) -> ast.expr | None:
    """Return what an expression of that rank is the transpose of, in its last two dimensions."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)) or rank < 2:
        return None
    try:
        dims = [ast.literal_eval(argument) for argument in node.args]
    except ValueError:
        return None
    dims = list(dims[0]) if len(dims) == 1 and isinstance(dims[0], tuple) else dims
    if not all(isinstance(d, int) for d in dims) or node.keywords:
        return None
    dims = [d % rank for d in dims]
    last = node.func.attr in ("transpose", "swapaxes") and sorted(dims) == [rank - 2, rank - 1]
    order = [*range(rank - 2), rank - 1, rank - 2]
    whole = node.func.attr in ("permute", "transpose") and dims == order
    return node.func.value if last or (whole and rank > 2) else None


def _product(node: ast.BinOp) -> ast.expr:
    left, right = node.left, node.right
    if _is(left, 1):
        return right
    if _is(right, 1):
        return left
    if _is_negative_one(left):
        return _negative(right)
    if _is_negative_one(right):
        return _negative(left)
    if isinstance(right, ast.BinOp) and isinstance(right.op, ast.Div) and not _is_constant(left):
        if _is(right.left, 1):  # a * (1 / n) is a / n
            return ast.BinOp(left, ast.Div(), right.right)
        if _is_negative_one(right.left):
            return ast.BinOp(_negative(left), ast.Div(), right.right)
    if _is_negative(right):
        return _negative(_product(ast.BinOp(left, ast.Mult(), right.operand)))
    if isinstance(right, ast.BinOp) and isinstance(right.op, ast.Mult) and _is_constant(right.left):
        inner = ast.BinOp(left, ast.Mult(), right.left)  # a * (2 * b): no parentheses needed
        return ast.BinOp(inner, ast.Mult(), right.right)
    return node


def _negative(node: ast.expr) -> ast.expr:
    if _is_negative(node):
        return node.operand
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        return ast.BinOp(_negative(node.left), node.op, node.right)
    return ast.UnaryOp(ast.USub(), node)


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _is(node: ast.expr, number: float) -> bool:
    value = node.value if isinstance(node, ast.Constant) else None
    return type(value) in (int, float) and value == number


def _is_negative_one(node: ast.expr) -> bool:
    return _is_negative(node) and _is(node.operand, 1)


_EXPONENT = re.compile(r"\*\* \((-[\w.]+)\)")
_HUGGED = re.compile(r"(?<![\w.)\]])(-?[A-Za-z_][\w.]*|-?\d[\w.]*) \*\* (-?[\w.]+)(?![\w.(\[])")
_SMALL = re.compile(r"(?<=\d)e-0(\d)")


def printed(node: ast.AST) -> str:
    """Return the source text, with the field's spacing."""
    text = ast.unparse(ast.fix_missing_locations(copy.deepcopy(node)))
    if "'" not in text and '"' not in text:  # never change a string, such as an einsum equation
        text = _HUGGED.sub(r"\1**\2", _EXPONENT.sub(r"** \1", text))
    return _SMALL.sub(r"e-\1", text)


def literal(value: Any) -> ast.expr:
    """Return a number, a string, or a sequence of them as an expression."""
    return ast.parse(repr(value), mode="eval").body


def _is_negative(node: ast.expr) -> TypeGuard[ast.UnaryOp]:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
