"""Factors that are tensors: left out, put in; upstream gradients; local derivatives."""

import ast
import re
from collections.abc import Iterator

from torch import Tensor

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.grammar.edit import Edit
from handgrad.checker.explain.search.products import without_factors
from handgrad.checker.explain.search.shares import forward_lines
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.write.precedence import is_sum


def without_tensor(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Leave out one factor or divisor."""
    for shorter in without_factors(text):
        if _is_tensor(suspect, text, shorter.gone):
            gone = text.segment(shorter.gone)
            yield Edit(shorter.text, f"division by {gone}" if shorter.divides else f"factor {gone}")


def with_tensor(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Multiply one expression by a factor of the forward's line."""
    for name, line in beside(suspect).items():
        for node in text.of(ast.expr):
            plain = isinstance(node, ast.Name | ast.BinOp) and text.segment(node) != name
            if plain and _is_tensor(suspect, text, node):
                yield Edit(text.scaled(node, f"{name} * {{}}"), name, line)


def upside_down(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Multiply instead of dividing, and the reverse."""
    for node in text.of(ast.BinOp):
        if isinstance(node.op, ast.Mult | ast.Div):
            yield Edit(text.exchanged(node, "/" if isinstance(node.op, ast.Mult) else "*"))
    tree = text.tree
    if isinstance(tree, ast.AugAssign) and isinstance(tree.op, ast.Mult | ast.Div):
        yield Edit(text.augmented("/" if isinstance(tree.op, ast.Mult) else "*"))


def product_for_sum(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Multiply two expressions instead of adding them."""
    for node in text.of(ast.BinOp):
        if isinstance(node.op, ast.Add | ast.Sub):
            left, sign, right = text.sides(node)
            yield Edit(text.exchanged(node, "*"), f"{left}{sign}{right}", f"{left} * {right}")


def complement(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put 1 - z for z, and z for 1 - z."""
    inside = set()
    for node in text.of(ast.BinOp):
        one = isinstance(node.left, ast.Constant) and node.left.value == 1
        if one and isinstance(node.op, ast.Sub) and _is_tensor(suspect, text, node):
            inside.add(id(node.right))
            other = text.segment(node.right)
            yield Edit(text.replace(node, other), text.segment(node), other)
    for name in text.of(ast.Name):
        if id(name) not in inside and _is_tensor(suspect, text, name):
            yield Edit(text.replace(name, f"1 - {name.id}"), name.id, f"1 - {name.id}")


def times_upstream(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Multiply one expression by the gradient of a consumer that the line does not read."""
    for hand, consumer in _unread(suspect, text):
        for node in dict.fromkeys([text.value, *text.of(ast.expr)]):
            for fix in _times(text, node, hand) if node is not None else ():
                yield Edit(fix, hand, consumer)


def upstream(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put that gradient for what is computed on the way to the line's value."""
    for hand, consumer in _unread(suspect, text):
        for node in text.of(ast.expr):
            if isinstance(node, ast.BinOp | ast.Call | ast.Compare) and node is not text.value:
                gradient = f"{hand}, the gradient of {consumer},"
                yield Edit(text.replace(node, hand), text.segment(node), gradient)


def sloped(text: Text, hand: str, slope: str) -> Iterator[str]:
    """Yield the statement with the derivative for what does not read the gradient, then for all."""
    for node in text.of(ast.expr):
        if not reads_name(node, hand):
            yield text.replace(node, slope)
    loose = is_sum(ast.parse(slope, mode="eval").body)
    whole = f"{f'({slope})' if loose else slope} * {hand}"
    if text.value is not None:
        yield text.replace(text.value, f"{hand}{slope[1:]}" if slope.startswith("1 / ") else whole)


def beside(suspect: Suspect) -> dict[str, str]:
    """Return the tensors in the lines that made the consumers, each with its line."""
    found: dict[str, str] = {}
    for line in filter(None, forward_lines(suspect)):
        for name in re.findall(r"[A-Za-z_]\w*", line.partition("=")[2]):
            if name != suspect.node.name and suspect.tensor(name) is not None:
                found.setdefault(name, line)
    return found


def _unread(suspect: Suspect, text: Text) -> list[tuple[str, str]]:
    """Return the consumers' gradients that the line does not read, each with its consumer."""
    read = {name.id for name in text.of(ast.Name)}
    pairs = [(part.hand, part.consumer) for part in suspect.parts]
    return [(hand, consumer) for hand, consumer in pairs if hand is not None and hand not in read]


def _times(text: Text, node: ast.expr, gradient: str) -> Iterator[str]:
    """Yield the statement with an expression times the gradient; for ones, the gradient alone."""
    parent = text.parent(node)
    called = isinstance(parent, ast.Call) and parent.func is node
    module = isinstance(node, ast.Name) and node.id in text.modules
    if called or module or isinstance(parent, ast.keyword | ast.Tuple | ast.Slice):
        return
    if text.is_exponent(node):
        return
    factor = text.factor(node)
    if isinstance(node, ast.Constant):
        yield text.replace(node, gradient if node.value == 1 else f"{factor} * {gradient}")
        return
    if isinstance(node, ast.Call) and text.segment(node.func).endswith(("ones_like", "ones")):
        yield text.replace(node, gradient)
    for product in (f"{factor} * {gradient}", f"{gradient} @ {factor}", f"{factor} @ {gradient}"):
        yield text.replace(node, product)


def reads_name(node: ast.expr, name: str) -> bool:
    """Tell whether an expression reads a name."""
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))


def _is_tensor(suspect: Suspect, text: Text, node: ast.expr) -> bool:
    value = suspect.value(text.segment(node))
    return isinstance(value, Tensor) and value.is_floating_point()
