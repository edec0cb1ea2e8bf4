"""Products and transposes in the text, whichever way they are written: `a @ b`, torch.mm(a, b)."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from handgrad.checker.explain.search.calls import calls
from handgrad.checker.explain.search.edits import Text

_MATRIX = {"matmul", "mm", "bmm", "mv", "dot"}
_ELEMENTWISE = {"mul", "multiply"}
_TRANSPOSED = ("T", "mT", "H", "mH")
_TURNS = {"t": 0, "transpose": 2, "swapaxes": 2, "swapdims": 2, "permute": 2, "adjoint": 0}


@dataclass(frozen=True)
class Product:
    """Two factors, as matrices or element by element. `head` is the function of a call."""

    text: Text
    node: ast.expr
    left: ast.expr
    right: ast.expr
    is_matrix: bool
    head: str = ""
    is_method: bool = False

    @property
    def sides(self) -> tuple[str, str]:
        """The factors' texts, with their own parentheses."""
        if isinstance(self.node, ast.BinOp):
            left, _, right = self.text.sides(self.node)
            return left, right
        return self.text.segment(self.left), self.text.segment(self.right)

    def of(self, left: str, right: str) -> str:
        """Return the statement with other factors, the product written as it is."""
        return self.text.replace(self.node, self.written(left, right))

    def written(self, left: str, right: str) -> str:
        """Return the product (not the statement) of other factors."""
        if isinstance(self.node, ast.BinOp):
            return f"{_factor(left, False)}{self.text.sides(self.node)[1]}{_factor(right, True)}"
        if self.is_method:
            return f"{_atom(left)}.{self.head}({right})"
        return f"{self.head}({left}, {right})"

    def other_kind(self, left: str, right: str) -> str:
        """Return the statement with `*` for `@` or `@` for `*`, and these factors."""
        if isinstance(self.node, ast.BinOp):
            own = self.text.sides(self.node)[1]
            sign = own.replace(own.strip(), "*" if self.is_matrix else "@")
            made = f"{_factor(left, False)}{sign}{_factor(right, True)}"
        elif self.is_method:
            made = f"{_atom(left)}.{'mul' if self.is_matrix else 'matmul'}({right})"
        else:
            module = self.head.rpartition(".")[0]
            made = f"{module}.{'mul' if self.is_matrix else 'matmul'}({left}, {right})"
        return self.text.replace(self.node, made)

    def turned(self) -> tuple[str, str]:
        """Return both factors transposed, or as they are where they are transposed."""
        left, right = self.sides
        return transposed(self.text, self.left, left), transposed(self.text, self.right, right)


def products(text: Text) -> Iterator[Product]:
    """Yield every product of two factors."""
    for node in text.of(ast.BinOp):
        if isinstance(node.op, ast.Mult | ast.MatMult):
            matrix = isinstance(node.op, ast.MatMult)
            yield Product(text, node, node.left, node.right, matrix)
    for call in calls(text, _MATRIX | _ELEMENTWISE):
        if len(call.rest) == 1 and not call.node.keywords:
            matrix, whole = call.name in _MATRIX, text.segment(call.function)
            head = call.name if call.is_method else whole
            yield Product(text, call.node, call.operand, call.rest[0], matrix, head, call.is_method)


class Shorter(NamedTuple):
    """The statement with one operand of a product or quotient left out, and the other kept."""

    text: str
    gone: ast.expr
    kept: ast.expr
    divides: bool


def without_factors(text: Text) -> Iterator[Shorter]:
    """Leave out each factor of an elementwise product, then each divisor."""
    for product in products(text):
        for gone, kept in ((product.left, product.right), (product.right, product.left)):
            if not product.is_matrix:
                yield Shorter(text.replace(product.node, text.segment(kept)), gone, kept, False)
    for node in text.of(ast.BinOp):
        if isinstance(node.op, ast.Div):
            fix = text.replace(node, text.segment(node.left))
            yield Shorter(fix, node.right, node.left, True)


def turns(text: Text) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield each transpose, and what it transposes."""
    for node in text.of(ast.expr):
        inner = untransposed(text, node)
        if inner is not None:
            yield node, inner


def untransposed(text: Text, node: ast.expr) -> ast.expr | None:
    """Return x of `x.T`, `x.t()`, `torch.transpose(x, 0, 1)`; None where it is no transpose."""
    if isinstance(node, ast.Attribute) and node.attr in _TRANSPOSED:
        return node.value
    if not isinstance(node, ast.Call):
        return None
    for call in calls(text, _TURNS):
        if call.node is node and len(call.rest) >= _TURNS[call.name] and not node.keywords:
            return call.operand
    return None


def transposed(text: Text, node: ast.expr, written: str) -> str:
    """Return an expression transposed as the author transposes, or freed of its transpose."""
    inner = untransposed(text, node)
    if inner is not None:
        return text.segment(inner)
    return f"{_atom(written)}{turn_in(text)}"


def turn_in(text: Text) -> str:
    """Return what the author appends to transpose a matrix."""
    source = text.source
    ways = {
        ".T": len(re.findall(r"\.T\b", source)),
        ".mT": len(re.findall(r"\.mT\b", source)),
        ".t()": source.count(".t()"),
        ".transpose(0, 1)": len(re.findall(r"\.transpose\(\s*(?:0, ?1|1, ?0)\s*\)", source)),
        ".transpose(-2, -1)": len(
            re.findall(r"\.transpose\(\s*(?:-2, ?-1|-1, ?-2|1, ?2|2, ?3)\s*\)", source)
        ),
    }
    return max(ways, key=lambda way: ways[way])


def _factor(text: str, right: bool) -> str:
    """Return a factor of a product by an operator: in parentheses if it needs them."""
    node = ast.parse(text.strip(), mode="eval").body
    if not isinstance(node, ast.BinOp | ast.IfExp | ast.Compare | ast.BoolOp | ast.Lambda):
        return text
    if _is_enclosed(text) or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)):
        return text
    product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.MatMult | ast.Div)
    return text if product and not right else f"({text})"


def _atom(text: str) -> str:
    node = ast.parse(text.strip(), mode="eval").body
    whole = isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call)
    return text if whole or _is_enclosed(text) else f"({text})"


def _is_enclosed(text: str) -> bool:
    """Tell whether one pair of parentheses stands around all of it."""
    text, depth = text.strip(), 0
    if not (text.startswith("(") and text.endswith(")")):
        return False
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if not depth:
            return at == len(text) - 1
    return False


def upside_down(text: Text) -> Iterator[str]:
    """Yield the statement with a multiplication for a division, and the reverse."""
    for node in text.of(ast.BinOp):
        if isinstance(node.op, ast.Mult | ast.Div):
            yield text.exchanged(node, "/" if isinstance(node.op, ast.Mult) else "*")
    tree = text.tree
    if isinstance(tree, ast.AugAssign) and isinstance(tree.op, ast.Mult | ast.Div):
        yield text.augmented("/" if isinstance(tree.op, ast.Mult) else "*")
