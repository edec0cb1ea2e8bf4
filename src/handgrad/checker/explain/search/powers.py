"""Powers in the text, as operators or calls: x**2, torch.square(x), x.rsqrt()."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from handgrad.checker.explain.search.calls import calls
from handgrad.checker.explain.search.edits import Text, number

NAMED = {"square": 2.0, "sqrt": 0.5, "rsqrt": -0.5, "reciprocal": -1.0}
"""Functions that raise to a power of their own."""


@dataclass(frozen=True)
class Power:
    """A base and its exponent: an expression, or the `value` that a function implies."""

    text: Text
    node: ast.expr
    operand: ast.expr
    exponent: ast.expr | None
    value: float | None = None

    @property
    def base(self) -> str:
        """The base, in parentheses if it needs them."""
        constant = isinstance(self.operand, ast.Constant)
        return self.text.segment(self.operand) if constant else self.text.atom(self.operand)

    def raised_to(self, power: float) -> str:
        """Return the statement with another exponent."""
        if power == 1:
            return self.text.replace(self.node, self.text.segment(self.operand))
        if self.exponent is not None:
            return self.text.replace(self.exponent, number(power))
        return self.text.replace(self.node, f"{self.base}{star_in(self.text)}{number(power)}")

    def slope(self, exponent: float) -> str:
        """Return the derivative of base**exponent, spaced as the line is."""
        down = "-" if exponent == -1 else f"{number(exponent)} * "
        raised = "" if exponent == 2 else f"{star_in(self.text)}{number(exponent - 1)}"
        return f"{down}{self.base}{raised}"


def powers(text: Text) -> Iterator[Power]:
    """Yield every power."""
    for node in text.of(ast.BinOp):
        if isinstance(node.op, ast.Pow):
            yield Power(text, node, node.left, node.right)
    for call in calls(text, {"pow", "float_power", *NAMED}):
        if call.name in NAMED:
            yield Power(text, call.node, call.operand, None, NAMED[call.name])
        else:
            exponent = call.rest[0] if len(call.rest) == 1 else call.keyword(("exponent",))
            if exponent is not None:
                yield Power(text, call.node, call.operand, exponent)


def star_in(text: Text) -> str:
    """Return the author's `**`, with or without spaces."""
    return " ** " if " ** " in text.text else "**"
