"""The sign is turned.

What: a minus too many or too few, or a plus where a minus belongs.

Why: y = a - b gives a what comes back, and b minus what comes back; y = -x turns the sign, and so
does the derivative of 1/x.

Wrong:

    # bndiff = hprebn - bnmeani
    dbnmeani = dbndiff.sum(0, keepdim=True)

Right:

    dbnmeani = -dbndiff.sum(0, keepdim=True)
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explain.search.calls import calls
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.products import products
from handgrad.checker.explain.search.shares import constant
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG102"
NAME = "sign"
_LINEAR = {"mul", "multiply", "matmul", "mm", "bmm", "add", "sub", "sum", "mean", "einsum",
           "where", "index_add", "scatter_add"}  # fmt: skip
"""Functions that pass a sign on: a minus inside of others is another mistake."""
_VALUED = _LINEAR - {"sum", "mean"} | {
    "div", "divide", "subtract", "full", "full_like", "fill", "masked_fill", "scatter",
    "index_put", "index_fill", "tensor",
}  # fmt: skip
"""Functions whose whole numbers may be values; those of others are dimensions and sizes."""
WHOLE = "The sign is turned: this is minus what is right."


def find(suspect: Suspect) -> Finding | None:
    """Turn one sign after another; then the sign of all of it."""
    whole = constant(suspect) == -1
    if suspect.text is not None:
        for fix, what in _turned(suspect.text):
            if suspect.mends(fix):
                said = WHOLE if _is_all(suspect) else f"The sign of {what} is turned."
                return Finding(said, fix)
    return Finding(WHOLE) if whole else None


def _is_all(suspect: Suspect) -> bool:
    return suspect.made.shape == suspect.right.shape and suspect.is_right(-suspect.made)


def _turned(text: Text) -> Iterator[tuple[str, str]]:
    """Yield the statement with one sign changed, and what it is the sign of."""
    value = text.value
    if value is None:
        return
    yield from _freed(text)
    for binary in text.of(ast.BinOp):
        if isinstance(binary.op, ast.Add | ast.Sub):
            other = "-" if isinstance(binary.op, ast.Add) else "+"
            yield text.exchanged(binary, other), text.segment(binary.right)
            if isinstance(binary.op, ast.Sub):
                left, own, right = text.sides(binary)
                exchanged = f"{right.strip()}{own}{_right_of_minus(binary.left, left.strip())}"
                yield text.replace(binary, exchanged), text.segment(binary)
    if isinstance(text.tree, ast.AugAssign) and isinstance(text.tree.op, ast.Add | ast.Sub):
        yield _augmented(text), text.segment(value)
    elif isinstance(text.tree, ast.Assign):
        yield text.replace(value, _negative(text, value)), text.segment(value)
    for part in _factors(text):
        yield text.replace(part, _negative(text, part)), text.segment(part)


def _freed(text: Text) -> Iterator[tuple[str, str]]:
    """Yield the statement with one minus left out: of -x, -1 * x, x.neg(), torch.neg(x)."""
    for product in products(text):
        for one, other in ((product.left, product.right), (product.right, product.left)):
            if text.segment(one).replace(" ", "") in ("-1", "-1.0") and not product.is_matrix:
                yield text.replace(product.node, text.segment(other)), text.segment(other)
    for node in text.of(ast.UnaryOp):
        if isinstance(node.op, ast.USub) and not _is_exponent(text, node) and _signed(text, node):
            yield text.replace(node, text.segment(node.operand)), text.segment(node.operand)
    for call in calls(text, ("neg", "negative")):
        yield call.left_out(), call.inner


def _factors(text: Text) -> Iterator[ast.expr]:
    """Yield what a minus may stand before, and none does."""
    for call in text.of(ast.Call):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name in _LINEAR or name.endswith("_"):
            yield from (
                a
                for a in call.args
                if not (isinstance(a, ast.Starred) or _is_negative(a)) and _signed(text, a)
            )
    for binary in text.of(ast.BinOp):
        for side in (binary.left, binary.right):
            if not _is_negative(side) and not _is_exponent(text, side):
                yield side


def _signed(text: Text, node: ast.expr) -> bool:
    """Tell whether a sign there is one of a value's: a dimension has its own."""
    number = node.operand if isinstance(node, ast.UnaryOp) else node
    if not isinstance(number, ast.Constant) or not isinstance(number.value, int):
        return True
    parent = text.parent(node)
    if isinstance(parent, ast.keyword | ast.Tuple | ast.Subscript):
        return False
    if not isinstance(parent, ast.Call):
        return True
    name = text.segment(parent.func).rpartition(".")[2]
    return name.rstrip("_") in _VALUED


def _is_exponent(text: Text, node: ast.expr) -> bool:
    parent = text.parent(node)
    power = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow)
    return power and isinstance(parent, ast.BinOp) and parent.right is node


def _is_negative(node: ast.expr) -> bool:
    while isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Add | ast.Sub):
        node = node.left
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _negative(text: Text, node: ast.expr) -> str:
    inner = text.segment(node)
    loose = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
    loose = loose or isinstance(node, ast.IfExp | ast.Compare | ast.BoolOp | ast.Lambda)
    return f"-({inner})" if loose else f"-{inner}"


def _right_of_minus(node: ast.expr, written: str) -> str:
    loose = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
    return f"({written})" if loose and not written.startswith("(") else written


def _augmented(text: Text) -> str:
    """Return the statement with -= for +=, or += for -=."""
    assert isinstance(text.tree, ast.AugAssign)
    sign = "-" if isinstance(text.tree.op, ast.Add) else "+"
    at = len(text.segment(text.tree.target))
    own = "+=" if sign == "-" else "-="
    return text.text[:at] + text.text[at:].replace(own, f"{sign}=", 1)
