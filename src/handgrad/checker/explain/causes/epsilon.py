"""A small number forgotten, or another one than in the forward.

What: the eps that keeps a root or a division away from 0 is missing here, is another, or stands
where the forward has none; or a number is mistyped (1.001, or 0.01 for the slope 0.1).

Why: the derivative of (x + eps)**-0.5 is -0.5 * (x + eps)**-1.5. Without eps it is off by a little,
everywhere, and by a lot where x is small.

Wrong:

    # bnvar_inv = (bnvar + 1e-5)**-0.5
    dbnvar = -0.5 * bnvar**-1.5 * dbnvar_inv

Right:

    dbnvar = -0.5 * (bnvar + 1e-5)**-1.5 * dbnvar_inv
"""

import ast
import re
from collections.abc import Iterator

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.shares import forward_lines
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG138"
NAME = "small number"
SMALL = 1e-2
"""Larger numbers are no eps."""
_USUAL = ("1e-5", "1e-6", "1e-8", "1e-12")
"""What functions add that do not say so (F.layer_norm)."""


def find(suspect: Suspect) -> Finding | None:
    """Add what the forward adds to a name, exchange a small number, or take one out."""
    text = suspect.text
    if text is None:
        return None
    added = dict(_added(suspect))
    for fix, said in _changed(suspect, text, added):
        if suspect.mends(fix):
            return Finding(said, fix)
    return None


def _changed(suspect: Suspect, text: Text, added: dict[str, str]) -> Iterator[tuple[str, str]]:
    numbers = list(dict.fromkeys(_numbers(suspect)))
    for name in text.of(ast.Name):
        if name.id in added and not _adds(suspect, text, text.parent(name)):
            eps = added[name.id]
            yield (
                text.replace(name, f"{name.id} + {eps}"),
                f"The forward adds {eps} to {name.id}, this line does not.",
            )
    for binary in text.of(ast.BinOp):
        if not _adds(suspect, text, binary):
            continue
        own, to = text.segment(binary.right), text.segment(binary.left)
        none = text.replace(binary, to), f"This line adds {own} to {to}, the forward does not."
        said = f"The forward adds {{}} to {to}, this line {own}."
        other = [
            (text.replace(binary.right, eps), said.format(eps))
            for eps in dict.fromkeys([*added.values(), *_USUAL])
        ]
        known = len(set(added.values()))
        yield from [*other[:known], none, *other[known:]]
    for constant in text.of(ast.Constant):
        value = constant.value
        if isinstance(value, float) and value != round(value, 1) != 0.0:
            yield (
                text.replace(constant, f"{round(value, 1):.1f}"),
                f"{text.segment(constant)} stands where {round(value, 1):.1f} belongs.",
            )
        for number in numbers if isinstance(value, float) else ():
            written = text.segment(constant)
            if number != written:
                said = f"{written} stands where the forward has {number}."
                yield text.replace(constant, number), said


def _numbers(suspect: Suspect) -> Iterator[str]:
    """Yield the fractions that stand in the forward's lines around this node, as written."""
    for source in forward_lines(suspect):
        yield from re.findall(r"(?<![\w.])\d*\.\d+(?:e-?\d+)?(?![\w.])", source)


def _added(suspect: Suspect) -> Iterator[tuple[str, str]]:
    """Yield each name that the forward adds a small number to, with the number as it has it."""
    for source in dict.fromkeys(bind.statement.text for bind in suspect.forward.nodes()):
        try:
            tree = ast.parse(source).body
        except SyntaxError:
            continue
        text = Text(source, tree[0]) if len(tree) == 1 else None
        for binary in text.of(ast.BinOp) if text is not None else ():
            if text is not None and _adds(suspect, text, binary):
                for name in ast.walk(binary.left):
                    if isinstance(name, ast.Name) and isinstance(binary.left, ast.Name):
                        yield name.id, text.segment(binary.right)


def _adds(suspect: Suspect, text: Text, node: ast.AST | None) -> bool:
    """Tell whether it is `something + eps`."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add):
        return False
    value = suspect.value(text.segment(node.right))
    return isinstance(value, float) and 0 < value < SMALL
