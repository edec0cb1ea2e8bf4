"""A factor of one term of a sum: found by running the line with the term once more and twice."""

import ast
from collections.abc import Iterator

import torch
from torch import Tensor

from handgrad.checker.closeness import same_constant
from handgrad.checker.explain.search.counts import factors, fraction
from handgrad.checker.explain.search.edits import Text, number
from handgrad.checker.explain.search.grammar.edit import Edit
from handgrad.checker.explain.search.grammar.numbers import is_plain, like
from handgrad.checker.explain.search.suspect import Suspect

MOST = 12
"""Terms of one line whose factor is looked for."""


def scaled_terms(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put the right number into one term of a sum."""
    for term in list(_terms(suspect, text))[:MOST]:
        times = _times(suspect, text, term)
        if times is not None and not same_constant(times, 1):
            yield from _scaled(suspect, text, term, times)


def _terms(suspect: Suspect, text: Text) -> Iterator[ast.expr]:
    found: dict[int, ast.expr] = {}
    for _, node, _ in text.without_terms():
        for term in (node.left, node.right):
            whole = isinstance(term, ast.BinOp) and isinstance(term.op, ast.Add | ast.Sub)
            if not whole and isinstance(suspect.value(text.segment(term)), Tensor | float | int):
                found[id(term)] = term
    yield from found.values()


def _times(suspect: Suspect, text: Text, term: ast.expr) -> float | None:
    """Return the factor of the term with which the line is correct, if there is one."""
    doubled = suspect.result(text.scaled(term, "2 * {}"))
    made, right = suspect.result(text.text), suspect.right
    if doubled is None or made is None or made.shape != right.shape != doubled.shape:
        return None
    if doubled.shape != right.shape:
        return None
    share, lacks = (doubled - made).double(), (right - made).double()
    square = (share * share).sum()
    if not bool(square):
        return None
    times = 1 + float((share * lacks).sum() / square)
    fits = torch.allclose(
        share * (times - 1), lacks, rtol=1e-6, atol=1e-9 * float(lacks.abs().max())
    )
    return times if fits and abs(times) > 1e-6 else None


def _scaled(suspect: Suspect, text: Text, term: ast.expr, times: float) -> Iterator[Edit]:
    off = f"{text.segment(term)} is off by the factor {_spoken(suspect, 1 / times)}."
    shorter: list[Edit] = []
    longer: list[Edit] = []
    for node in ast.walk(term):
        value = getattr(node, "value", None) if isinstance(node, ast.Constant) else None
        if type(value) in (int, float) and value and not text.is_exponent(node):
            written = text.segment(node)
            for other in (value * times, value / times):
                if abs(other - round(other, 6)) < 1e-9 * abs(other):
                    digits = like(written, round(other, 6))
                    edit = Edit(text.replace(node, digits), off)
                    (shorter if len(digits) <= len(written) + 1 else longer).append(edit)
    yield from shorter
    for template, _ in factors(suspect, abs(times)):
        yield Edit(text.scaled(term, template if times > 0 else f"-{template}"), off)
    if is_plain(times):
        yield Edit(text.scaled(term, f"{number(times)} * {{}}"), off)
    yield from longer


def _spoken(suspect: Suspect, off: float) -> str:
    name = next((name for _, name in factors(suspect, abs(off))), fraction(abs(off)))
    return f"-{name}" if off < 0 else name
