"""Signs: a missing minus, plus for minus, a reversed difference, an extra minus."""

import ast
from collections.abc import Iterator

from handgrad.checker.explain.search.calls import calls
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.grammar.edit import Edit
from handgrad.checker.explain.search.products import without_factors
from handgrad.checker.explain.search.suspect import Suspect

_LINEAR = {"mul", "multiply", "matmul", "mm", "bmm", "add", "sub", "sum", "mean", "einsum",
           "where", "index_add", "scatter_add"}  # fmt: skip
"""Functions that pass a sign on: a minus inside of others is another mistake."""
_VALUED = _LINEAR - {"sum", "mean"} | {
    "div", "divide", "subtract", "full", "full_like", "fill", "masked_fill", "scatter",
    "index_put", "index_fill", "tensor",
}  # fmt: skip
"""Functions whose whole numbers may be values; those of others are dimensions and sizes."""


def without_minus(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Leave out one minus: of -x, -1 * x, x.neg(), torch.neg(x)."""
    for shorter in without_factors(text):
        if text.segment(shorter.gone).replace(" ", "") in ("-1", "-1.0"):
            yield Edit(shorter.text, text.segment(shorter.kept))
    for unary in text.of(ast.UnaryOp):
        if isinstance(unary.op, ast.USub) and not text.is_exponent(unary) and _signed(text, unary):
            operand = text.segment(unary.operand)
            yield Edit(text.replace(unary, operand), operand)
    for call in calls(text, ("neg", "negative")):
        yield Edit(call.left_out(), call.inner)


def flipped(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put plus for minus, minus for plus, and b - a for a - b."""
    for binary in text.of(ast.BinOp):
        if isinstance(binary.op, ast.Add | ast.Sub):
            other = "-" if isinstance(binary.op, ast.Add) else "+"
            yield Edit(text.exchanged(binary, other), text.segment(binary.right))
        if isinstance(binary.op, ast.Sub):
            sides = (binary.left, binary.right)
            swapped = text.replace_all(sides, [text.segment(side) for side in reversed(sides)])
            yield Edit(swapped, text.segment(binary))
    tree = text.tree
    if isinstance(tree, ast.AugAssign) and isinstance(tree.op, ast.Add | ast.Sub):
        other = "-" if isinstance(tree.op, ast.Add) else "+"
        yield Edit(text.augmented(other), text.segment(tree.value))


def negated(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put a minus before the whole, or before one operand or argument that has none."""
    parts = [text.value] if isinstance(text.tree, ast.Assign) else []
    for part in [*parts, *_operands(text)]:
        if part is not None:
            yield Edit(text.scaled(part, "-{}"), text.segment(part))


def _operands(text: Text) -> Iterator[ast.expr]:
    for call in text.of(ast.Call):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        for argument in call.args if name in _LINEAR or name.endswith("_") else ():
            starred = isinstance(argument, ast.Starred)
            if not starred and not _is_negative(argument) and _signed(text, argument):
                yield argument
    for binary in text.of(ast.BinOp):
        for side in (binary.left, binary.right):
            if not _is_negative(side) and not text.is_exponent(side):
                yield side


def _signed(text: Text, node: ast.expr) -> bool:
    """Tell whether a sign there is one of a value's: a dimension has its own."""
    number = node.operand if isinstance(node, ast.UnaryOp) else node
    if not isinstance(number, ast.Constant) or not isinstance(number.value, int):
        return True
    parent = text.parent(node)
    if isinstance(parent, ast.Call):
        return text.segment(parent.func).rpartition(".")[2].rstrip("_") in _VALUED
    return not isinstance(parent, ast.keyword | ast.Tuple | ast.Subscript)


def _is_negative(node: ast.expr) -> bool:
    while isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Add | ast.Sub):
        node = node.left
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
