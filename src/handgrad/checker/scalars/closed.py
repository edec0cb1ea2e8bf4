"""Known derivatives: the ones that equal a rule's central differences, in the author's names."""

import math
from collections.abc import Callable, Iterator, Sequence

from handgrad.checker.scalars.experiments import close
from handgrad.checker.scalars.place import Edit, Place, slots

Known = tuple[str, Callable[[float, float, float], float]]
KNOWN: tuple[Known, ...] = (
    ("1", lambda x, y, o: 1.0),
    ("-1", lambda x, y, o: -1.0),
    ("{y}", lambda x, y, o: y),
    ("1 / {y}", lambda x, y, o: 1 / y),
    ("-{y} / {x}**2", lambda x, y, o: -y / x**2),
    ("1 / {x}", lambda x, y, o: 1 / x),
    ("-1 / {x}**2", lambda x, y, o: -1 / x**2),
    ("{o}", lambda x, y, o: o),
    ("2 * {x}", lambda x, y, o: 2 * x),
    ("3 * {x}**2", lambda x, y, o: 3 * x**2),
    ("(1 - {o}**2)", lambda x, y, o: 1 - o * o),
    ("{o} * (1 - {o})", lambda x, y, o: o * (1 - o)),
    ("({x} > 0)", lambda x, y, o: float(x > 0)),
    ("({o} > 0)", lambda x, y, o: float(o > 0)),
    ("{y} * {x}**({y} - 1)", lambda x, y, o: y * x ** (y - 1)),
    ("{o} * {m}.log({y})", lambda x, y, o: o * math.log(y)),
    ("{m}.cos({x})", lambda x, y, o: math.cos(x)),
    ("-{m}.sin({x})", lambda x, y, o: -math.sin(x)),
    ("(1 + {o}**2)", lambda x, y, o: 1 + o * o),
    ("1 / (2 * {o})", lambda x, y, o: 1 / (2 * o)),
    ("{m}.cosh({x})", lambda x, y, o: math.cosh(x)),
    ("{m}.sinh({x})", lambda x, y, o: math.sinh(x)),
    ("1 / (1 + {x}**2)", lambda x, y, o: 1 / (1 + x * x)),
    ("1 / (1 + {m}.exp(-{x}))", lambda x, y, o: 1 / (1 + math.exp(-x))),
    ("{m}.exp({x})", lambda x, y, o: math.exp(x)),
    ("(1 if {x} > 0 else -1)", lambda x, y, o: 1.0 if x > 0 else -1.0),
    ("1 / ({x} * {m}.log({y}))", lambda x, y, o: 1 / (x * math.log(y))),
    ("({x} > {y})", lambda x, y, o: float(x > y)),
    ("({x} < {y})", lambda x, y, o: float(x < y)),
    ("-2 / {x}**3", lambda x, y, o: -2 / x**3),
)
"""Derivatives by x, the operand; y is the other operand, o the result, m a module."""
Observed = tuple[float, float, float, float]
"""Operand, other operand, result, and the derivative at one point."""


def known(observed: Sequence[Observed]) -> list[str]:
    """Return the derivatives that hold at every point."""

    def holds(function: Callable[[float, float, float], float]) -> bool:
        try:
            return all(close(function(x, y, o), truth) for x, y, o, truth in observed)
        except (ArithmeticError, ValueError, TypeError):
            return False

    return [template for template, function in KNOWN if observed and holds(function)]


def rewritten(place: Place, templates: Sequence[str]) -> Iterator[Edit]:
    """Yield the statement with the whole derivative in the place of each expression."""
    for slot in slots(place):
        for derivative, contribution in _written(place, templates):
            message = f"The local derivative is {derivative}."
            yield place.replaced("HG109", message, slot, contribution)


def added(place: Place, operand: str, templates: Sequence[str]) -> Iterator[Edit]:
    """Yield the statement with another one below it, for an operand that gets nothing."""
    if not place.reader:
        return
    lines = place.part.text.split("\n")
    at = place.statement.end_lineno or place.statement.lineno
    indent = lines[at - 1][: len(lines[at - 1]) - len(lines[at - 1].lstrip())]
    for _, contribution in _written(place, templates):
        line = f"{indent}{operand}.{place.reader} += {contribution}"
        text = "\n".join([*lines[:at], line, *lines[at:]])
        message = f"{operand} gets no gradient; each operand has its own contribution."
        yield Edit("HG101", message, text, at + 1, at + 1, adds=True)


def _written(place: Place, templates: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each derivative in the author's names, and times each upstream gradient."""
    names = [n for n in place.names if not (place.reader and n.endswith(f".{place.reader}"))]
    modules = [m for m in ("math", "np", "numpy", "torch") if m in place.skip] or ["math"]
    for template in templates:
        for derivative in dict.fromkeys(_filled(template, names, modules[0])):
            for upstream in (*place.upstream, ""):
                if not upstream:
                    yield derivative, derivative
                elif derivative in ("1", "-1"):
                    yield derivative, derivative.replace("1", upstream)
                else:
                    yield derivative, f"{derivative} * {upstream}"


def _filled(template: str, names: Sequence[str], module: str) -> Iterator[str]:
    xs = names if "{x}" in template else [""]
    ys = names if "{y}" in template else [""]
    os = names if "{o}" in template else [""]
    for x in xs:
        for y in ys:
            for o in os:
                if not (x and x == y):
                    yield template.format(x=x, y=y, o=o, m=module)
