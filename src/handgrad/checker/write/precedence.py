"""Operator precedence: which expressions need parentheses where they are put."""

import ast

ATOMS = ast.Name | ast.Constant | ast.Attribute | ast.Subscript | ast.Call | ast.NamedExpr
"""Expressions that hardly ever need parentheses. (The text of a NamedExpr includes its own.)"""

PRODUCTS = ast.Mult | ast.Div | ast.MatMult | ast.Pow
"""Operators of which a sign may be taken in or out. (-a // b is not -(a // b).)"""


def is_sum(node: ast.AST) -> bool:
    """Tell whether an expression binds less tightly than a product, as a sum does."""
    if isinstance(node, ast.IfExp | ast.Compare | ast.BoolOp | ast.Lambda):
        return True
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def needs_parentheses(
    new: ast.expr, place: ast.AST, parent: ast.AST | None, above: ast.AST | None = None
) -> bool:
    """Tell whether `new` needs parentheses in the place of `place`, a child of `parent`.

    `above` is the parent's own: in `x / -a * b` the sign does not take the product with it.
    """
    if isinstance(new, ast.Constant) and isinstance(parent, ast.Attribute):
        return True  # 2.T is no expression
    if isinstance(new, ATOMS):
        return False
    if isinstance(parent, ast.Call):
        return place is parent.func
    if isinstance(parent, ast.Attribute | ast.Subscript):
        return place is parent.value
    if isinstance(parent, ast.UnaryOp):
        is_product = isinstance(new, ast.BinOp) and isinstance(new.op, PRODUCTS)
        is_alone = not isinstance(above, ast.BinOp | ast.UnaryOp) or (
            isinstance(above, ast.BinOp) and above.left is parent
        )
        return not (is_product and is_alone and isinstance(parent.op, ast.USub))  # -a * b
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
