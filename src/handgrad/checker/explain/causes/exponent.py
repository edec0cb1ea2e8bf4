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

from torch import Tensor

from handgrad.checker.explain.search.edits import Text, number
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.powers import NAMED, Power, powers
from handgrad.checker.explain.search.shares import forward_ops
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG104"
NAME = "power rule"
_POWERS = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)


def find(suspect: Suspect) -> Finding | None:
    """Put another exponent wherever one stands, or where none does on what the forward raises."""
    text = suspect.text
    if text is None:
        return None
    for power in powers(text):
        if isinstance(suspect.value(text.segment(power.operand)), int | float):
            continue  # of a constant, which is constant_factor's
        got = power.value if power.exponent is None else _value(suspect, power.exponent)
        for fix, right in _others(power, got) if got is not None else ():
            if suspect.mends(fix):
                return Finding(_message(suspect, power, got or 0.0, right), fix)
    for exponent in dict.fromkeys(raised(suspect)):
        for power in powers(text):
            fix, got = power.differentiated(exponent), power.value
            if power.exponent is not None:
                got = _value(suspect, power.exponent)
            if got == exponent - 1:
                continue  # the exponent is right: a sign or a factor is not
            if suspect.mends(fix):
                said = f"The derivative of x**{number(exponent)} is {_derivative(exponent)}"
                return Finding(f"{said}, this has {text.segment(power.node)}.", fix)
        for base in text.of(ast.expr) if exponent != 2 else ():
            for raise_to in (exponent - 1, 1 - exponent):  # the latter below a fraction bar
                fix = text.wrap(base, f"{{}}**{number(raise_to)}")
                if _may_be_raised(suspect, text, base) and suspect.mends(fix):
                    return Finding(_without(text.segment(base), exponent), fix)
    return None


def _others(power: Power, got: float) -> Iterator[tuple[str, float]]:
    near = (got - 1, got + 1, -got, -got - 1, -got + 1, got - 2, got + 2)
    for other in dict.fromkeys([*near, *_POWERS]):
        if other not in (got, 0):
            yield power.raised_to(other), other


def _message(suspect: Suspect, power: Power, got: float, right: float) -> str:
    """Say the factor base**off, and which derivative it should have been."""
    base, off = power.base, got - right
    said = f"Off by the factor {base if off == 1 else f'{base}**{number(off)}'}"
    above = power.text.parent(power.node)
    below = isinstance(above, ast.BinOp) and isinstance(above.op, ast.Div)
    below = below and isinstance(above, ast.BinOp) and above.right is power.node
    before = 1 - right if below else right + 1
    if before not in raised(suspect):
        return f"{said}: the exponent must be {number(right)}."
    derivative, local = _derivative(before), _local(power, got)
    return f"{said}: the derivative of x**{number(before)} is {derivative}, this has {local}."


def _without(base: str, power: float) -> str:
    derivative = f"The derivative of x**{number(power)} is {_derivative(power)}"
    return f"{derivative}: {base} stands here without its exponent."


def _derivative(power: float) -> str:
    factor = "-" if power == -1 else f"{number(power)} * "
    return f"{factor}x" if power == 2 else f"{factor}x**{number(power - 1)}"


def _local(power: Power, got: float) -> str:
    """Return the power with the constants around it, its base called x."""
    text, said = power.text, "x" if got == 1 else f"x**{number(got)}"
    inner: ast.AST = power.node
    top = text.parent(inner)
    while top is not None:
        if isinstance(top, ast.UnaryOp) and isinstance(top.op, ast.USub):
            said = f"-{said}"
        elif isinstance(top, ast.BinOp) and _scales(top, inner):
            sign = "*" if isinstance(top.op, ast.Mult) else "/"
            said = f"{text.segment(top.left)} {sign} {said}"
        else:
            break
        inner, top = top, text.parent(top)
    return said


def _scales(product: ast.BinOp, inner: ast.AST) -> bool:
    left = product.left.operand if isinstance(product.left, ast.UnaryOp) else product.left
    constant = product.right is inner and isinstance(left, ast.Constant)
    return constant and isinstance(product.op, ast.Mult | ast.Div)


def raised(suspect: Suspect) -> list[float]:
    """Return the exponents by which the forward raises this node, or something made of it."""
    found = []
    for event in forward_ops(suspect):
        name = getattr(event.func, "__name__", "").strip("_")
        power = event.args[1] if name == "pow" and len(event.args) > 1 else NAMED.get(name)
        if name in ("rdiv", "rtruediv"):  # 1 / x
            power = -1.0
        elif name in ("div", "truediv", "divide") and len(event.args) > 1:
            numerator, below = event.args[:2]
            power = (
                -1.0 if not isinstance(numerator, Tensor) and isinstance(below, Tensor) else None
            )
        if isinstance(power, int | float):
            found.append(float(power))
    return found


def _value(suspect: Suspect, node: ast.expr) -> float | None:
    assert suspect.text is not None
    found = suspect.value(suspect.text.segment(node))
    return float(found) if isinstance(found, int | float) else None


def _may_be_raised(suspect: Suspect, text: Text, node: ast.expr) -> bool:
    if isinstance(text.parent(node), ast.Attribute):
        return False
    return isinstance(node, ast.BinOp) or (
        isinstance(node, ast.Name) and suspect.tensor(node.id) is not None
    )
