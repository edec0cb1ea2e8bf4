"""One line of the backward pass as a syntax tree, to read and to rewrite."""

import ast
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Line:
    """One statement of the backward pass. `shapes` has all names, in program order."""

    number: int
    text: str
    node: ast.stmt
    target: str
    shapes: Shapes
    earlier: frozenset[str]
    """The gradients assigned before this line."""

    @property
    def value(self) -> ast.expr:
        assert isinstance(self.node, ast.Assign | ast.AugAssign | ast.Expr)
        return self.node.value

    def within(self, kind: type[ast.expr]) -> Iterator[ast.expr]:
        """Yield the expressions of that kind in the line's value."""
        for part in ast.walk(self.value):
            if isinstance(part, kind):
                yield part

    def gradient(self, part: ast.expr) -> str | None:
        """Return the name if `part` is a hand-written gradient."""
        return part.id if isinstance(part, ast.Name) and part.id in self.earlier else None


def with_part(line: Line, old: ast.AST, new: ast.expr | str) -> str:
    """Return the line's text with `old` replaced by `new`."""
    index = next(i for i, part in enumerate(ast.walk(line.node)) if part is old)
    tree = copy.deepcopy(line.node)
    found = list(ast.walk(tree))[index]
    made = ast.parse(new, mode="eval").body if isinstance(new, str) else copy.deepcopy(new)

    class Swap(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return made if node is found else self.generic_visit(node)

    return ast.unparse(Swap().visit(tree))


def with_value(line: Line, before: str, after: str = "") -> Iterator[str]:
    """Yield the line with text around its whole value; nothing for an in-place call."""
    if not isinstance(line.node, ast.Expr):
        yield with_part(line, line.value, f"{before}({ast.unparse(line.value)}){after}")


def products(line: Line) -> Iterator[tuple[ast.BinOp, ast.expr, ast.expr]]:
    """Yield each product with its factors."""
    for part in line.within(ast.BinOp):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mult):
            yield part, part.left, part.right


def calls(line: Line, method: str) -> Iterator[tuple[ast.Call, ast.expr]]:
    """Yield each call of that method, with the tensor."""
    for part in line.within(ast.Call):
        assert isinstance(part, ast.Call)
        if isinstance(part.func, ast.Attribute) and part.func.attr == method:
            yield part, part.func.value


def quotients(line: Line) -> Iterator[tuple[ast.BinOp, ast.expr]]:
    """Yield each division of a hand-written gradient, with that gradient."""
    for part in line.within(ast.BinOp):
        if (
            isinstance(part, ast.BinOp)
            and isinstance(part.op, ast.Div)
            and line.gradient(part.left)
        ):
            yield part, part.left
