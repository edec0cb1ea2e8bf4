"""Local derivatives inside a larger expression: put in, or in the place of another factor."""

import ast
from collections.abc import Iterator

from torch import Tensor

from handgrad.checker.explain.search.due import operands, slopes
from handgrad.checker.explain.search.edits import REFERENCES, Text
from handgrad.checker.explain.search.grammar.edit import Edit
from handgrad.checker.explain.search.grammar.masks import comparisons
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.write.precedence import is_sum


def with_slope(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Multiply one expression by a derivative."""
    for slope in slopes(suspect):
        factor = f"({slope.text})" if is_loose(slope.text) else slope.text
        template = f"{{}} * {factor}"
        if slope.text.startswith("1 / "):
            template = f"{{}}{slope.text[1:]}"
        for node in _values(suspect, text):
            said = _said(slope.text, slope.line)
            yield Edit(text.scaled(node, template), text.segment(node), said)


def other_slope(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put a derivative for a factor that does not read a gradient, or for two of them."""
    gradients = {suspect.hand.name, *suspect.gradients.values()}
    for slope in slopes(suspect):
        for node in _values(suspect, text):
            inner = {ast.unparse(n) for n in ast.walk(node) if isinstance(n, REFERENCES)}
            if not inner & gradients:
                fix = text.replace(node, slope.text)
                yield Edit(fix, text.segment(node), _said(slope.text, slope.line))


def mask_of_forward(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Compare the forward value instead of what is compared."""
    others = [slope.over for slope in slopes(suspect) if slope.over is not None]
    scope = [n for n in suspect.scope if suspect.tensor(n) is not None] if suspect.through else []
    others += scope
    for node in comparisons(text):
        for other in dict.fromkeys([*others, *operands(suspect)]):
            yield Edit(text.replace(node.left, other), text.segment(node.left), other)


def is_loose(text: str) -> bool:
    """Tell whether an expression needs parentheses as a factor."""
    tree = ast.parse(text, mode="eval").body
    return is_sum(tree) or isinstance(tree, ast.Compare)


def _said(slope: str, line: str | None) -> str:
    return f"{slope}, the derivative in `{line}`" if line else slope


def _values(suspect: Suspect, text: Text) -> Iterator[ast.expr]:
    """Yield the expressions that are tensors, the whole first."""
    for node in text.of(ast.expr):
        parent = text.parent(node)
        if isinstance(parent, ast.keyword | ast.Slice) or text.is_exponent(node):
            continue
        if isinstance(parent, ast.Subscript) and parent.slice is node:
            continue
        value = suspect.value(text.segment(node))
        if isinstance(value, Tensor) and value.is_floating_point() and value.numel() > 1:
            yield node
