"""Operator precedence: which expressions need parentheses where they are put."""

import ast

ATOMS = ast.Name | ast.Constant | ast.Attribute | ast.Subscript | ast.Call | ast.NamedExpr
"""Expressions that never need parentheses. (The text of a NamedExpr includes its own.)"""


def is_sum(node: ast.AST) -> bool:
    """Tell whether an expression binds less tightly than a product, as a sum does."""
    if isinstance(node, ast.IfExp | ast.Compare | ast.BoolOp | ast.Lambda):
        return True
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def needs_parentheses(new: ast.expr, place: ast.AST, parent: ast.AST | None) -> bool:
    """Tell whether `new` needs parentheses in the place of `place`, a child of `parent`."""
    if isinstance(new, ATOMS):
        return False
    if isinstance(parent, ast.Call):
        return place is parent.func
    if isinstance(parent, ast.Attribute | ast.Subscript):
        return place is parent.value
    if isinstance(parent, ast.UnaryOp):
        is_product = isinstance(new, ast.BinOp) and not is_sum(new)
        return not (is_product and isinstance(parent.op, ast.USub))  # -a * b is -(a * b)
    if not isinstance(parent, ast.BinOp) or (
        isinstance(new, ast.UnaryOp) and place is parent.right  # x**-2, a * -b
    ):
        return False
    outer, inner = _level(parent), _level(new)
    is_power = isinstance(parent.op, ast.Pow)
    return is_power or outer > inner or (outer == inner and place is parent.right)


def _level(node: ast.expr) -> int:
    if isinstance(node, ast.UnaryOp):
        return 3
    if not isinstance(node, ast.BinOp):
        return 0
    if isinstance(node.op, ast.Pow):
        return 4
    return 1 if isinstance(node.op, ast.Add | ast.Sub) else 2
