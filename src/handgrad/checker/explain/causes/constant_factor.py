"""Off by a constant factor.

What: everything is the same number of times too large, or one expression in the line is.

Why: a factor of the forward is forgotten or doubled: the 2 of a square, the 1/n of a mean, the
batch size, the square root of a width.

Wrong:

    # bndiff2 = bndiff**2
    dbndiff += bndiff * dbndiff2

Right:

    dbndiff += 2 * bndiff * dbndiff2
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explain.search.counts import Constant, Count, counts, fraction, named
from handgrad.checker.explain.search.edits import Text, number
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.products import products
from handgrad.checker.explain.search.shares import constant, ignores_upstream
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG103"
NAME = "constant factor"


def find(suspect: Suspect) -> Finding | None:
    """Name the one factor by which all is off; take each number out of the line, or put one in."""
    off, text = constant(suspect), suspect.text
    if ignores_upstream(suspect):
        return None  # whatever number comes back here, it is not this line's
    names = list(named(suspect, abs(off))) if off is not None else []
    whole = _said(off, names) if off is not None else None
    if text is not None:
        for fix, said in _edits(suspect, text, off, names):
            if suspect.mends(fix):
                exchanged = " stands where " in said and "counts" in said
                return Finding(said if exchanged else whole or said, fix)
    return Finding(whole) if whole is not None and (names or _is_plain(off)) else None


def _said(off: float, names: list[Constant]) -> str:
    if names and off > 0:
        return f"Off by the factor {names[0].spoken}."
    sign = "-" if off < 0 else ""
    return f"Off by the factor {sign}{names[0].factor if names else fraction(abs(off))}."


def _edits(
    suspect: Suspect, text: Text, off: float | None, names: list[Constant]
) -> Iterator[tuple[str, str]]:
    value = text.value
    loose = isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub)
    yield from _without(suspect, text)
    yield from _counted(suspect, text)
    yield from _formed(suspect, text, ast.Name)
    for name in names if names and not names[0].is_number else ():
        if value is not None and not name.is_number:
            yield text.replace(value, name.mended(text.segment(value), loose)), name.spoken
    yield from _scaled(text, off)
    if value is not None and off is not None and _is_plain(off):
        yield _times(text, value, 1 / off), ""
    yield from _formed(suspect, text, ast.Constant)
    for name in names:
        if value is not None:
            yield text.replace(value, name.mended(text.segment(value), loose)), name.spoken
    if value is not None:
        for part in [value, *text.of(ast.BinOp)]:
            for factor in (2, 0.5):
                yield _times(text, part, factor), _off(1 / factor)
    yield from _terms(suspect, text)


def _without(suspect: Suspect, text: Text) -> Iterator[tuple[str, str]]:
    """Yield the statement with a number, or the name of one, left out of a product."""
    for product in products(text):
        for side, other in ((product.left, product.right), (product.right, product.left)):
            if not product.is_matrix and _is_constant(suspect, text, side):
                yield text.replace(product.node, text.segment(other)), _factor(text.segment(side))
    for node in text.of(ast.BinOp):
        if isinstance(node.op, ast.Pow) and _is_constant(suspect, text, node):  # n**2
            base = text.segment(node.left)
            yield text.replace(node, base), f"{text.segment(node)} stands where {base} belongs."
        if isinstance(node.op, ast.Div):
            if _is_constant(suspect, text, node.right):
                left = text.segment(node.left)
                yield text.replace(node, left), _factor(f"1 / {text.sides(node)[2]}")
            if _is_constant(suspect, text, node.left) and text.segment(node.left) != "1":
                right = text.sides(node)[2]
                yield text.replace(node, f"1 / {right}"), _factor(text.segment(node.left))


def _counts(suspect: Suspect) -> list[Count]:
    """Return what the forward counts and has a name for."""
    return [c for c in counts(suspect) if c.what and c.name != number(c.value)]


def _terms(suspect: Suspect, text: Text) -> Iterator[tuple[str, str]]:
    """Yield the statement with one term of a sum divided by what the forward counts."""
    known = _counts(suspect)
    for node in text.of(ast.BinOp):
        for term in (node.left, node.right) if isinstance(node.op, ast.Add | ast.Sub) else ():
            if isinstance(term, ast.BinOp) and isinstance(term.op, ast.Add | ast.Sub):
                continue
            written = text.segment(term)
            for count in known:
                said = f"{written} is off by the factor {count.name} = {number(count.value)}"
                yield text.replace(term, f"{written} / {count.name}"), f"{said} ({count.what})."


def _counted(suspect: Suspect, text: Text) -> Iterator[tuple[str, str]]:
    """Yield the statement with a number that the forward counts in the place of another."""
    known = _counts(suspect)
    for node in text.of(ast.expr):
        written = text.segment(node)
        if not isinstance(node, ast.Name | ast.Call | ast.Subscript):
            continue
        if isinstance(text.parent(node), ast.Subscript | ast.Attribute | ast.Tuple):
            continue
        got = suspect.value(written)
        for count in known if isinstance(got, int) and not isinstance(got, bool) else ():
            if count.value != got:
                said = f"{written} stands where {count.name} belongs, which counts {count.what}."
                yield text.replace(node, count.name), said


def _scaled(text: Text, off: float | None) -> Iterator[tuple[str, str]]:
    """Yield the statement with a number in it doubled, halved, turned, or rid of what is off."""
    factors = [2, 0.5, -1]
    if off is not None and _is_plain(off):
        factors.append(1 / off)
    for node in text.of(ast.Constant):
        value = node.value
        if isinstance(value, int | float) and not isinstance(value, bool) and value:
            for factor in dict.fromkeys(factors):
                yield (
                    text.replace(node, _like(text.segment(node), value * factor)),
                    _off(1 / factor),
                )


def _formed(
    suspect: Suspect, text: Text, kind: type[ast.Name] | type[ast.Constant]
) -> Iterator[tuple[str, str]]:
    """Yield the statement with the square root of a number for the number, its square, one less."""
    for base in text.of(kind):
        written = text.segment(base)
        if isinstance(text.parent(base), ast.Subscript) or not _is_constant(suspect, text, base):
            continue
        if isinstance(base, ast.Constant) and not isinstance(base.value, int):
            continue  # sizes have roots, rates have none
        for form in ("{}**0.5", "{}**2"):
            said = form.format(written)
            yield text.replace(base, said), f"{written} stands where {said} belongs."


def _times(text: Text, part: ast.expr, factor: float) -> str:
    """Return the statement with one expression multiplied."""
    whole, first = text.segment(part), part
    loose = isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add | ast.Sub)
    while isinstance(first, ast.BinOp) and not loose:
        first = first.left
    if isinstance(first, ast.UnaryOp) and isinstance(first.op, ast.USub) and whole[0] == "-":
        return text.replace(part, f"{number(-factor)} * {whole[1:].lstrip()}")
    return text.replace(part, f"{number(factor)} * {f'({whole})' if loose else whole}")


def _is_constant(suspect: Suspect, text: Text, node: ast.expr) -> bool:
    """Tell whether an expression is a number, whatever the tensors are."""
    return isinstance(suspect.value(text.segment(node)), int | float)


def _is_plain(off: float | None) -> bool:
    """Tell whether it is a number that somebody may have typed, or forgotten."""
    near = (off, 1 / off) if off is not None else ()
    return any(abs(2 * x - round(2 * x)) < 1e-6 and abs(x) <= 24 for x in near)


def _like(written: str, value: float) -> str:
    """Return a number as the one there is written: 1.0 stays a 1.0."""
    made = number(value)
    return f"{made}.0" if "." in written and made.lstrip("-").isdigit() else made


def _factor(written: str) -> str:
    return f"Off by the factor {written}."


def _off(factor: float) -> str:
    return f"Off by the factor {fraction(abs(factor)) if factor != -1 else '-1'}."
