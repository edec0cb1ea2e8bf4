"""The power rule: the exponent, or the factor that it brings down.

What: the derivative of x**p is p * x**(p-1). Here the exponent or the factor is another.

Why: the exponent comes down as a factor and is one less afterwards; for a negative p it grows in
size: x**-1 gives -x**-2, and (v + eps)**-0.5 gives -0.5 * (v + eps)**-1.5.

Wrong:

    # counts_sum_inv = counts_sum**-1
    dcounts_sum = (-counts_sum**2) * dcounts_sum_inv

Right:

    dcounts_sum = (-counts_sum**-2) * dcounts_sum_inv
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explaining.edits import Text, number
from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Suspect
from handgrad.checker.recording.trace import Op

CODE = "HG104"
NAME = "power rule"
_POWERS = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
_ROOTS = {"square": 2.0, "rsqrt": -0.5, "sqrt": 0.5, "reciprocal": -1.0}


def find(suspect: Suspect) -> Finding | None:
    """Put another exponent wherever one stands, or where none does on what the forward raises."""
    text = suspect.text
    if text is None:
        return None
    for node in text.of(ast.BinOp):
        got = _value(suspect, text.segment(node.right)) if isinstance(node.op, ast.Pow) else None
        if got is None:
            continue
        for fix, right in _others(text, node, got):
            if suspect.mends(fix):
                return Finding(_message(suspect, text, node, got - right), fix)
    for power in dict.fromkeys(raised(suspect)):
        for base in text.of(ast.expr) if power != 2 else ():
            fix = text.wrap(base, f"{{}}**{number(power - 1)}")
            if _may_be_raised(suspect, text, base) and suspect.mends(fix):
                return Finding(_without(text.segment(base), power), fix)
    return None


def _others(text: Text, node: ast.BinOp, power: float) -> Iterator[tuple[str, float]]:
    near = (power - 1, power + 1, -power, -power - 1, -power + 1, power - 2, power + 2)
    base = _base(text, node)
    star = " ** " if " ** " in text.segment(node) else "**"
    for other in dict.fromkeys([*near, *_POWERS]):
        if other != power:
            yield text.replace(node, f"{base}{star}{number(other)}" if other != 1 else base), other


def _base(text: Text, node: ast.BinOp) -> str:
    base = text.segment(node.left)
    return base if isinstance(node.left, ast.Name | ast.Call | ast.Attribute) else f"({base})"


def _message(suspect: Suspect, text: Text, node: ast.BinOp, off: float) -> str:
    """Say the factor base**off, and which derivative it should have been."""
    base, right = _base(text, node), (_value(suspect, text.segment(node.right)) or 0.0) - off
    said = f"Off by the factor {base if off == 1 else f'{base}**{number(off)}'}"
    if right + 1 not in raised(suspect):
        return f"{said}: the exponent must be {number(right)}."
    power = right + 1
    derivative, local = _derivative(power), _local(text, node)
    return f"{said}: the derivative of x**{number(power)} is {derivative}, this has {local}."


def _without(base: str, power: float) -> str:
    derivative = f"The derivative of x**{number(power)} is {_derivative(power)}"
    return f"{derivative}: {base} stands here without its exponent."


def _derivative(power: float) -> str:
    factor = "-" if power == -1 else f"{number(power)} * "
    return f"{factor}x" if power == 2 else f"{factor}x**{number(power - 1)}"


def _local(text: Text, node: ast.BinOp) -> str:
    """Return the power with the constants around it, its base called x."""
    said, top = f"x**{text.segment(node.right)}", text.parent(node)
    inner: ast.AST = node
    while top is not None:
        if isinstance(top, ast.UnaryOp) and isinstance(top.op, ast.USub):
            said = f"-{said}"
        elif isinstance(top, ast.BinOp) and isinstance(top.op, ast.Mult) and _scales(top, inner):
            said = f"{text.segment(top.left)} * {said}"
        else:
            break
        inner, top = top, text.parent(top)
    return said


def _scales(product: ast.BinOp, inner: ast.AST) -> bool:
    left = product.left.operand if isinstance(product.left, ast.UnaryOp) else product.left
    return product.right is inner and isinstance(left, ast.Constant)


def raised(suspect: Suspect) -> list[float]:
    """Return the exponents by which the forward raises this node, or something made of it."""
    made = {id(suspect.node.value)}
    named = {id(b.value) for b in suspect.forward.nodes()} - made
    found = []
    for event in suspect.forward.events:
        if type(event) is not Op or not any(id(t) in made for t in event.inputs):
            continue
        name = getattr(event.func, "__name__", "").strip("_")
        power = event.args[1] if name == "pow" and len(event.args) > 1 else _ROOTS.get(name)
        if isinstance(power, int | float):
            found.append(float(power))
        made |= {id(t) for t in event.outputs} - named
    return found


def _value(suspect: Suspect, source: str) -> float | None:
    found = suspect.value(source)
    return float(found) if isinstance(found, int | float) else None


def _may_be_raised(suspect: Suspect, text: Text, node: ast.expr) -> bool:
    if isinstance(text.parent(node), ast.Attribute):
        return False
    return isinstance(node, ast.BinOp) or (
        isinstance(node, ast.Name) and suspect.tensor(node.id) is not None
    )
