"""Numbers: n - 1 for n, a constant left out, put in or exchanged, eps."""

import ast
import re
from collections.abc import Iterator
from math import isqrt
from typing import Any

from handgrad.checker.explain.search.counts import fraction, named, named_counts
from handgrad.checker.explain.search.edits import Text, number
from handgrad.checker.explain.search.grammar.edit import Edit
from handgrad.checker.explain.search.products import without_factors
from handgrad.checker.explain.search.shares import constant, forward_lines
from handgrad.checker.explain.search.suspect import Suspect

FEW = 3
"""A 2 in a line is more often the exponent of a square than a count."""
SMALL = 1e-2
"""Larger numbers are no eps."""
_USUAL = ("1e-5", "1e-6", "1e-8", "1e-12")
"""What functions add that do not say so (F.layer_norm)."""


def bessel(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put n - 1 for n, and n for n - 1, wherever a count stands."""
    corrected = set()
    for node in text.of(ast.BinOp):
        one = isinstance(node.right, ast.Constant) and node.right.value == 1
        if one and isinstance(node.op, ast.Sub) and _is_count(suspect, text.segment(node.left)):
            corrected.add(id(node.left))
            left = text.segment(node.left)
            yield Edit(text.replace(node, left), text.segment(node), left)
    for part in text.of(ast.expr):
        parent, written = text.parent(part), text.segment(part)
        product = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div | ast.Mult)
        if product and isinstance(part, ast.Constant) and isinstance(part.value, int):
            if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div):
                for other in _neighbours(suspect, part.value):
                    yield Edit(text.replace(part, str(other)), written, str(other))
        elif id(part) in corrected or not _is_count(suspect, written):
            continue
        elif product or part is text.value:  # dx /= n
            less = f"{written} - 1"
            yield Edit(text.replace(part, less if product else f"({less})"), written, less)


def without_number(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Leave a number, or the name of one, out of a product; and the exponent of a size."""
    for shorter in without_factors(text):
        if _is_number(suspect, text, shorter.gone):
            written = text.segment(shorter.gone)
            loose = isinstance(shorter.gone, ast.BinOp)
            below = f"1 / ({written})" if loose else f"1 / {written}"
            yield Edit(shorter.text, _off(below if shorter.divides else written))
    for node in text.of(ast.BinOp):
        if isinstance(node.op, ast.Pow) and _is_number(suspect, text, node):  # n**2
            yield _exchanged(text, node, text.segment(node.left))
        if isinstance(node.op, ast.Div) and _is_number(suspect, text, node.left):
            above = text.segment(node.left)
            if above != "1":
                yield Edit(text.replace(node, f"1 / {text.sides(node)[2]}"), _off(above))


def other_count(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put a number that the forward counts for another."""
    for node in text.of(ast.expr):
        if not isinstance(node, ast.Name | ast.Call | ast.Subscript):
            continue
        if isinstance(text.parent(node), ast.Subscript | ast.Attribute | ast.Tuple):
            continue
        given = suspect.value(text.segment(node))
        for count in named_counts(suspect) if type(given) is int else ():
            if count.value != given:
                yield _exchanged(text, node, count.name, f", which counts {count.what}")


def names_formed(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put the square root of a named number for the number, or its square."""
    return _formed(suspect, text, ast.Name)


def factors(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Take a constant factor out of the whole, of a number, or of one expression."""
    off, whole = constant(suspect), text.value
    assert whole is not None
    names = list(named(suspect, abs(off))) if off is not None else []
    plain = [1 / off] if off is not None and is_plain(off) else []
    undone = [Edit(text.scaled(whole, n.undone), n.spoken) for n in names]
    if names and not names[0].is_number:
        yield from (e for e, name in zip(undone, names, strict=True) if not name.is_number)
    for node in text.of(ast.Constant):
        value: Any = node.value if type(node.value) in (int, float) else 0
        for factor in dict.fromkeys([2, 0.5, -1, *plain]) if value else ():
            if type(value) is int and value * factor != int(value * factor):
                continue  # a count stays one
            digits = like(text.segment(node), value * factor)
            yield Edit(text.replace(node, digits), _off(_spoken(1 / factor)))
    for factor in plain:
        yield Edit(_times(text, whole, factor))
    yield from _formed(suspect, text, ast.Constant)
    yield from undone
    for part in [whole, *text.of(ast.BinOp)]:
        for factor in (2, 0.5):
            yield Edit(_times(text, part, factor), _off(fraction(1 / factor)))


def terms(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Divide one term of a sum by what the forward counts."""
    for _, node, _ in text.without_terms():
        for term in (node.left, node.right):
            written = text.segment(term)
            for count in named_counts(suspect):
                message = f"{written} is off by the factor {count.name} = {number(count.value)}"
                fix = text.scaled(term, f"{{}} / {count.name}")
                yield Edit(fix, f"{message} ({count.what}).")


def with_eps(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Add to a name what the forward adds to it."""
    added = _added(suspect)
    for name in text.of(ast.Name):
        if name.id in added and not _adds_eps(suspect, text, text.parent(name)):
            eps = added[name.id]
            yield Edit(text.replace(name, f"{name.id} + {eps}"), name.id, eps)


def other_eps(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put the forward's eps for the one there, or none, or a usual one."""
    known = list(dict.fromkeys(_added(suspect).values()))
    for node in text.of(ast.BinOp):
        if _adds_eps(suspect, text, node):
            written, to = text.segment(node.right), text.segment(node.left)
            other = [
                Edit(text.replace(node.right, eps), f"The forward pass adds {eps} to {to}", written)
                for eps in dict.fromkeys([*known, *_USUAL])
            ]
            none = Edit(text.replace(node, to), f"The forward pass adds nothing to {to}", written)
            yield from [*other[: len(known)], none, *other[len(known) :]]


def other_digits(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Round a number to one digit, or put one of those in the forward's lines for it."""
    digits = re.compile(r"(?<![\w.])\d*\.\d+(?:e-?\d+)?(?![\w.])")
    known = dict.fromkeys(n for line in forward_lines(suspect) for n in digits.findall(line))
    for node in text.of(ast.Constant):
        value, written = node.value, text.segment(node)
        if isinstance(value, float) and value != round(value, 1) != 0.0:
            yield Edit(text.replace(node, f"{value:.1f}"), written, f"{value:.1f} belongs")
        for other in known if isinstance(value, float) else ():
            if other != written:
                yield Edit(text.replace(node, other), written, f"the forward pass has {other}")


def is_plain(off: float | None) -> bool:
    """Tell whether it is a number that somebody may have typed, or forgotten."""
    near = (off, 1 / off) if off is not None else ()
    return any(abs(2 * x - round(2 * x)) < 1e-6 and 0.5 <= abs(x) <= 24 for x in near)


def _formed(
    suspect: Suspect, text: Text, kind: type[ast.Name] | type[ast.Constant]
) -> Iterator[Edit]:
    for base in text.of(kind):
        if isinstance(text.parent(base), ast.Subscript) or not _is_number(suspect, text, base):
            continue
        if isinstance(base, ast.Constant) and not isinstance(base.value, int):
            continue  # sizes have roots, rates have none
        count = base.value if isinstance(base, ast.Constant) else None
        whole = isinstance(count, int) and isqrt(abs(count)) ** 2 == abs(count)
        for form in ("{}**2",) if whole else ("{}**0.5", "{}**2"):  # nobody writes 100**0.5
            yield _exchanged(text, base, form.format(text.segment(base)))


def _exchanged(text: Text, node: ast.expr, other: str, more: str = "") -> Edit:
    message = f"{text.segment(node)} is used where {other} belongs{more}."
    return Edit(text.replace(node, other), message)


def _times(text: Text, part: ast.expr, factor: float) -> str:
    """Return the statement with one expression multiplied."""
    whole, first = text.segment(part), part
    while isinstance(first, ast.BinOp) and text.factor(part) == whole:
        first = first.left
    if isinstance(first, ast.UnaryOp) and isinstance(first.op, ast.USub) and whole[0] == "-":
        return text.replace(part, f"{number(-factor)} * {whole[1:].lstrip()}")
    return text.scaled(part, f"{number(factor)} * {{}}")


def _is_number(suspect: Suspect, text: Text, node: ast.expr) -> bool:
    """Tell whether an expression is a number, whatever the tensors are."""
    return isinstance(suspect.value(text.segment(node)), int | float)


def _is_count(suspect: Suspect, source: str) -> bool:
    """Tell whether it is how many rows or columns something has that the line is made of."""
    value = suspect.value(source)
    if not isinstance(value, int) or isinstance(value, bool) or value < FEW:
        return False
    return not {value, value + 1}.isdisjoint(_sizes(suspect))


def _neighbours(suspect: Suspect, count: int) -> list[int]:
    """Return one less than a number that counts, or one more."""
    pairs = ((count - 1, count), (count + 1, count + 1))
    return [n for n, size in pairs if count >= FEW and size in _sizes(suspect)]


def _sizes(suspect: Suspect) -> set[int]:
    return {size for node in suspect.names.values() for size in node.value.shape}


def like(written: str, value: float) -> str:
    """Return a number as the one there is written: 1.0 stays a 1.0."""
    digits = number(value)
    return f"{digits}.0" if "." in written and digits.lstrip("-").isdigit() else digits


def _spoken(factor: float) -> str:
    return fraction(abs(factor)) if factor != -1 else "-1"


def _off(factor: str) -> str:
    return f"Off by the factor {factor}."


def _added(suspect: Suspect) -> dict[str, str]:
    """Return the names that the forward adds a small number to, with the number as it has it."""
    found = {}
    for source in dict.fromkeys(bind.statement.text for bind in suspect.forward.nodes()):
        text = Text.parsed(source)
        for node in text.of(ast.BinOp) if text is not None else ():
            assert text is not None
            if _adds_eps(suspect, text, node) and isinstance(node.left, ast.Name):
                found[node.left.id] = text.segment(node.right)
    return found


def _adds_eps(suspect: Suspect, text: Text, node: ast.AST | None) -> bool:
    """Tell whether it is `something + eps`."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add):
        return False
    value = suspect.value(text.segment(node.right))
    return isinstance(value, float) and 0 < value < SMALL
