"""What one operation contributes to the gradient of each of its arguments."""

import ast
from dataclasses import dataclass

from handgrad.checker.write.compose.expression import Expr, filled, parsed
from handgrad.checker.write.compose.graph import Value


@dataclass(frozen=True)
class GradientAtIndex:
    """A gradient that is `value` at `index` of the argument, and 0 elsewhere.

    `full` is `value` in the shape of the indexed elements. `whole` is the gradient of the whole
    argument, where one expression can give it. `unique`: no element is indexed twice.
    """

    index: ast.expr
    value: Expr
    full: Expr
    whole: Expr | None
    unique: bool

    @property
    def is_mixed(self) -> bool:
        """Whether the index has slices and may repeat elements: index_put_ cannot add these up."""
        parts = self.index.elts if isinstance(self.index, ast.Tuple) else [self.index]
        return not self.unique and any(isinstance(part, ast.Slice) for part in parts)


@dataclass(frozen=True)
class GradientExceptIndex:
    """The gradient `upstream`, with 0 at `index`: those elements were overwritten."""

    index: ast.expr
    upstream: Expr


@dataclass(frozen=True)
class Contribution:
    """What one operation adds to the gradient of `value`."""

    value: Value
    gradient: Expr | GradientAtIndex | GradientExceptIndex


def doubled(contributions: list[Contribution]) -> list[Contribution]:
    """Merge two equal contributions: x * x gives 2 * x * d, rather than x * d twice."""
    if len(contributions) != 2 or contributions[0].value is not contributions[1].value:
        return contributions
    first, second = (c.gradient for c in contributions)
    if not (isinstance(first, Expr) and isinstance(second, Expr) and first.text == second.text):
        return contributions
    node = filled(parsed("2 * (d)"), {"d": first.node})
    if isinstance(first.node, ast.BinOp) and isinstance(first.node.op, ast.Mult):
        twice = ast.BinOp(ast.Constant(2), ast.Mult(), first.node.left)
        node = ast.BinOp(twice, ast.Mult(), first.node.right)
    return [Contribution(contributions[0].value, Expr(node, first.value))]
