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

from handgrad.checker.explaining.edits import Text
from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Suspect

CODE = "HG102"
NAME = "sign"


def find(suspect: Suspect) -> Finding | None:
    """Turn one sign after another; then the sign of all of it."""
    if suspect.text is None:
        return None
    for fix, what in _turned(suspect.text):
        if suspect.mends(fix):
            return Finding(_message(suspect, what), fix)
    return None


def _message(suspect: Suspect, what: str | None) -> str:
    if suspect.is_right(-suspect.made):
        return "The sign is turned: this is minus what is right."
    return f"The sign of {what} is turned."


def _turned(text: Text) -> Iterator[tuple[str, str | None]]:
    """Yield the statement with one sign changed, and what it is the sign of."""
    value = text.value
    if value is None:
        return
    for node in text.of(ast.UnaryOp):
        if isinstance(node.op, ast.USub):
            yield text.replace(node, text.segment(node.operand)), text.segment(node.operand)
    for binary in text.of(ast.BinOp):
        if isinstance(binary.op, ast.Add | ast.Sub):
            yield _flipped(text, binary), text.segment(binary.right)
    if isinstance(text.tree, ast.AugAssign) and isinstance(text.tree.op, ast.Add | ast.Sub):
        yield _augmented(text), text.segment(value)
    elif isinstance(text.tree, ast.Assign):
        yield text.replace(value, _negative(text, value)), text.segment(value)
    for call in text.of(ast.Call):
        for argument in call.args:
            yield text.replace(argument, _negative(text, argument)), text.segment(argument)
    for binary in text.of(ast.BinOp):
        for side in (binary.left, binary.right):
            yield text.replace(side, _negative(text, side)), text.segment(side)


def _negative(text: Text, node: ast.expr) -> str:
    inner = text.segment(node)
    loose = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
    return f"-({inner})" if loose or isinstance(node, ast.IfExp) else f"-{inner}"


def _flipped(text: Text, node: ast.BinOp) -> str:
    sign = "-" if isinstance(node.op, ast.Add) else "+"
    right = text.segment(node.right)
    if isinstance(node.right, ast.BinOp) and isinstance(node.right.op, ast.Add | ast.Sub):
        right = f"({right})"
    return text.replace(node, f"{text.segment(node.left)} {sign} {right}")


def _augmented(text: Text) -> str:
    assert isinstance(text.tree, ast.AugAssign)
    sign = "-" if isinstance(text.tree.op, ast.Add) else "+"
    return f"{text.segment(text.tree.target)} {sign}= {text.segment(text.tree.value)}"
