"""Exponents: another one, one put in, a power for its derivative; `**` for `*`."""

import ast
from collections.abc import Iterator

from torch import Tensor

from handgrad.checker.explain.search.edits import Text, number
from handgrad.checker.explain.search.grammar.edit import Edit
from handgrad.checker.explain.search.powers import NAMED, Power, powers
from handgrad.checker.explain.search.shares import forward_ops, op_name
from handgrad.checker.explain.search.suspect import Suspect

_POWERS = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)


def other_exponents(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put another exponent wherever one stands, those near to it first."""
    for power, got in _powers(suspect, text):
        if got is None or isinstance(suspect.value(text.segment(power.operand)), int | float):
            continue  # of a constant, which is constant_factor's
        near = (got - 1, got + 1, -got, -got - 1, -got + 1, got - 2, got + 2)
        for other in dict.fromkeys([*near, *_POWERS]):
            if other not in (got, 0):
                off = got - other
                factor = power.base if off == 1 else f"{power.base}**{number(off)}"
                yield Edit(power.raised_to(other), factor, _due(suspect, power, got, other))


def derivatives(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put the derivative of what the forward raises for a power."""
    for exponent in dict.fromkeys(raised(suspect)):
        for power, got in _powers(suspect, text):
            if got != exponent - 1:  # else the exponent is right: a sign or a factor is not
                fix = text.replace(power.node, power.slope(exponent))
                yield Edit(fix, _rule(exponent), text.segment(power.node))


def raised_again(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put an exponent where none stands on what the forward raises."""
    for exponent in dict.fromkeys(raised(suspect)):
        for base in text.of(ast.expr) if exponent != 2 else ():
            for raise_to in (exponent - 1, 1 - exponent):  # the latter below a fraction bar
                if _may_be_raised(suspect, text, base):
                    fix = text.wrap(base, f"{{}}**{number(raise_to)}")
                    yield Edit(fix, _rule(exponent), text.segment(base))


def product_for_power(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put one star for two."""
    for node in text.of(ast.BinOp):
        if isinstance(node.op, ast.Pow):
            left, sign, right = text.sides(node)
            yield Edit(text.exchanged(node, "*"), f"{left}{sign}{right}", f"{left} * {right}")


def power_for_product(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put two stars for one before a number."""
    for node in text.of(ast.BinOp):
        if isinstance(node.op, ast.Mult):
            left, sign, right = text.sides(node)
            for base, exponent in ((left, right), (right, left)):
                if _is_number(exponent):
                    power = f"{base}**{exponent}"
                    yield Edit(text.replace(node, power), f"{left}{sign}{right}", power)


def raised(suspect: Suspect) -> list[float]:
    """Return the exponents by which the forward raises this node, or something made of it."""
    found = []
    for event in forward_ops(suspect):
        name = op_name(event).strip("_")
        power = event.args[1] if name == "pow" and len(event.args) > 1 else NAMED.get(name)
        if name in ("rdiv", "rtruediv"):  # 1 / x
            power = -1.0
        elif name in ("div", "truediv", "divide") and len(event.args) > 1:
            above, below = (isinstance(value, Tensor) for value in event.args[:2])
            power = -1.0 if below and not above else None
        if isinstance(power, int | float):
            found.append(float(power))
    return found


def _powers(suspect: Suspect, text: Text) -> Iterator[tuple[Power, float | None]]:
    """Yield every power with its exponent, where that is a number."""
    for power in powers(text):
        value = power.value
        if power.exponent is not None:
            value = suspect.value(text.segment(power.exponent))
        yield power, float(value) if isinstance(value, int | float) else None


def _due(suspect: Suspect, power: Power, got: float, right: float) -> str:
    """Say which derivative it should have been."""
    above = power.text.parent(power.node)
    divides = isinstance(above, ast.BinOp) and isinstance(above.op, ast.Div)
    below = divides and isinstance(above, ast.BinOp) and above.right is power.node
    before = 1 - right if below else right + 1
    if before not in raised(suspect):
        return f"the exponent must be {number(right)}"
    return f"the {_rule(before)}, not {_local(power, got)}"


def _rule(power: float) -> str:
    factor = "-" if power == -1 else f"{number(power)} * "
    derivative = f"{factor}x" if power == 2 else f"{factor}x**{number(power - 1)}"
    return f"derivative of x**{number(power)} is {derivative}"


def _local(power: Power, got: float) -> str:
    """Return the power with the constants around it, its base called x."""
    text, local = power.text, "x" if got == 1 else f"x**{number(got)}"
    inner: ast.AST = power.node
    top = text.parent(inner)
    while top is not None:
        if isinstance(top, ast.UnaryOp) and isinstance(top.op, ast.USub):
            local = f"-{local}"
        elif isinstance(top, ast.BinOp) and _scales(top, inner):
            sign = "*" if isinstance(top.op, ast.Mult) else "/"
            local = f"{text.segment(top.left)} {sign} {local}"
        else:
            break
        inner, top = top, text.parent(top)
    return local


def _scales(product: ast.BinOp, inner: ast.AST) -> bool:
    left = product.left.operand if isinstance(product.left, ast.UnaryOp) else product.left
    constant = product.right is inner and isinstance(left, ast.Constant)
    return constant and isinstance(product.op, ast.Mult | ast.Div)


def _may_be_raised(suspect: Suspect, text: Text, node: ast.expr) -> bool:
    if isinstance(text.parent(node), ast.Attribute):
        return False
    named = isinstance(node, ast.Name) and suspect.tensor(node.id) is not None
    return named or isinstance(node, ast.BinOp)


def _is_number(written: str) -> bool:
    try:
        return isinstance(ast.literal_eval(written), int | float)
    except (ValueError, SyntaxError):
        return False
