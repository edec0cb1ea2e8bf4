"""Products and transposes in the text, as operators or calls: `a @ b`, torch.mm(a, b)."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from handgrad.checker.explain.search.calls import LineCall, calls
from handgrad.checker.explain.search.edits import Patch, Text

_MATRIX = {"matmul", "mm", "bmm", "mv", "dot"}
_ELEMENTWISE = {"mul", "multiply"}
_TRANSPOSED = ("T", "mT", "H", "mH")
_TURNS = {"t": 0, "transpose": 2, "swapaxes": 2, "swapdims": 2, "permute": 2, "adjoint": 0}


@dataclass(frozen=True)
class Product:
    """A matrix product or elementwise product, by an operator or in a call."""

    text: Text
    node: ast.expr
    left: ast.expr
    right: ast.expr
    is_matrix: bool
    call: LineCall | None = None

    @property
    def name(self) -> str:
        """The operator or function: `*`, torch.mul."""
        if self.call is None:
            return "`@`" if self.is_matrix else "`*`"
        return self.call.name if self.call.is_method else self.text.segment(self.call.function)

    @property
    def sides(self) -> tuple[str, str]:
        """The factors' texts."""
        return self.text.segment(self.left), self.text.segment(self.right)

    @property
    def turned(self) -> tuple[str, str]:
        """Both factors transposed, or as they are where they are transposed."""
        return transposed(self.text, self.left), transposed(self.text, self.right)

    def of(self, left: str, right: str, *others: Patch, within: ast.AST | None = None) -> str:
        """Return the statement (or an expression in it) with other factors."""
        pairs = ((self.left, left), (self.right, right))
        return self.text.patched([*(self.text.patch(*pair) for pair in pairs), *others], within)

    def other_kind(self, left: str, right: str) -> str:
        """Return the statement with `*` instead of `@` or the reverse, and these factors."""
        if isinstance(self.node, ast.BinOp):
            kind = self.text.operator(self.node, "*" if self.is_matrix else "@")
        else:
            assert self.call is not None
            end = self.text.span(self.call.function)[1]
            kind = end - len(self.call.name), end, "mul" if self.is_matrix else "matmul"
        return self.of(left, right, kind)


def products(text: Text) -> Iterator[Product]:
    """Yield every product of two factors."""
    for node in text.of(ast.BinOp):
        if isinstance(node.op, ast.Mult | ast.MatMult):
            matrix = isinstance(node.op, ast.MatMult)
            yield Product(text, node, node.left, node.right, matrix)
    for call in calls(text, _MATRIX | _ELEMENTWISE):
        if len(call.rest) == 1 and not call.node.keywords:
            matrix = call.name in _MATRIX
            yield Product(text, call.node, call.operand, call.rest[0], matrix, call)


class Shorter(NamedTuple):
    """The statement without one operand of a product or quotient; the other is kept."""

    text: str
    gone: ast.expr
    kept: ast.expr
    divides: bool


def without_factors(text: Text) -> Iterator[Shorter]:
    """Yield the statement without each factor of an elementwise product, then each divisor."""
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
    """Return x of `x.T`, `x.t()`, `torch.transpose(x, 0, 1)`; None if it is not a transpose."""
    if isinstance(node, ast.Attribute) and node.attr in _TRANSPOSED:
        return node.value
    if not isinstance(node, ast.Call):
        return None
    for call in calls(text, _TURNS):
        if call.node is node and len(call.rest) >= _TURNS[call.name] and not node.keywords:
            return call.operand
    return None


def transposed(text: Text, node: ast.expr) -> str:
    """Return an expression transposed in the author's style, or without its transpose."""
    inner = untransposed(text, node)
    return f"{text.atom(node)}{turn_in(text)}" if inner is None else text.segment(inner)


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


def stacked_turns(text: Text) -> list[str]:
    """Return what the author appends to transpose the last two of several dimensions."""
    ways = re.findall(r"\.(?:transpose|swapaxes|permute)\([-\d, ]*\)|\.mT\b", text.source)
    return [*dict.fromkeys(way for way in ways if _turns_last(way))] or [".mT"]


def _turns_last(way: str) -> bool:
    dims = [int(number) for number in re.findall(r"-?\d+", way)]
    n = len(dims)
    if n <= 2:
        return way == ".mT" or sorted(dims) in ([-2, -1], [1, 2], [2, 3])
    return dims == [*range(n - 2), n - 1, n - 2]
