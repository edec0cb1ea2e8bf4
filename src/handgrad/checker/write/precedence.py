"""Operator precedence: which expressions need parentheses where they are put."""

import ast

ATOMS = ast.Name | ast.Constant | ast.Attribute | ast.Subscript | ast.Call | ast.NamedExpr
"""Expressions that never need parentheses. (The text of a NamedExpr has its own.)"""


def is_sum(node: ast.AST) -> bool:
    """Tell whether an expression is a sum or a difference: as a factor it needs parentheses."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def as_factor(text: str, node: ast.AST) -> str:
    """Return the text of an expression, in parentheses if it is a sum or a difference."""
    return f"({text})" if is_sum(node) else text


def needs_parentheses(new: ast.expr, place: ast.AST, parent: ast.AST | None) -> bool:
    """Tell whether `new` needs parentheses in the place of `place`, a child of `parent`."""
    if isinstance(new, ATOMS) or not isinstance(parent, ast.expr):
        return False
    if isinstance(parent, ast.Call):
        return place is parent.func
    if isinstance(parent, ast.Attribute):
        return True
    if isinstance(parent, ast.Subscript):
        return place is parent.value
    if isinstance(parent, ast.UnaryOp):
        return not isinstance(new, ast.BinOp) or is_sum(new)
    if isinstance(parent, ast.BinOp):
        if isinstance(new, ast.UnaryOp) and place is parent.right:  # x**-2, a * -b
            return False
        outer, inner = _level(parent.op), _level_of(new)
        right_operand = outer == inner and place is parent.right
        return outer > inner or right_operand or isinstance(parent.op, ast.Pow)
    return False


def _level_of(node: ast.expr) -> int:
    if isinstance(node, ast.BinOp):
        return _level(node.op)
    return 3 if isinstance(node, ast.UnaryOp) else 0


def _level(op: ast.operator) -> int:
    if isinstance(op, ast.Pow):
        return 4
    return 1 if isinstance(op, ast.Add | ast.Sub) else 2
