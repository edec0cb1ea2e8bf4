"""What the arguments of an operation get back: the whole of it, a part, or all but a part."""

import ast
from dataclasses import dataclass

from handgrad.checker.write.compose.expression import Expr, filled, parsed
from handgrad.checker.write.compose.graph import Value


@dataclass(frozen=True)
class Part:
    """`index` of an argument gets `value`, which `full` is in the shape of what stands there.

    `whole` is the same for the whole of the argument, if one expression can say it. `unique`: no
    place is met twice.
    """

    index: ast.expr
    value: Expr
    full: Expr
    whole: Expr | None
    unique: bool

    @property
    def is_mixed(self) -> bool:
        """Whether places met twice stand beside slices, which no function in place adds up."""
        return not self.unique and any(isinstance(n, ast.Slice) for n in ast.walk(self.index))


@dataclass(frozen=True)
class Cut:
    """All of `upstream` but what stands at `index`: that was overwritten."""

    index: ast.expr
    upstream: Expr


@dataclass(frozen=True)
class Share:
    """What one argument of an operation gets back."""

    value: Value
    given: Expr | Part | Cut


def doubled(shares: list[Share]) -> list[Share]:
    """x * x gives 2 * x * d, rather than x * d twice."""
    if len(shares) != 2 or shares[0].value is not shares[1].value:
        return shares
    first, second = (s.given for s in shares)
    if not (isinstance(first, Expr) and isinstance(second, Expr) and first.text == second.text):
        return shares
    node = filled(parsed("2 * (d)"), {"d": first.node})
    if isinstance(first.node, ast.BinOp) and isinstance(first.node.op, ast.Mult):
        twice = ast.BinOp(ast.Constant(2), ast.Mult(), first.node.left)
        node = ast.BinOp(twice, ast.Mult(), first.node.right)
    return [Share(shares[0].value, Expr(node, first.value))]
