"""Off by a factor that is a tensor, or a power or function of one.

What: a factor is forgotten, stands there once too often, or is the wrong way up.

Why: the gradient of one factor of a product takes all the others, each once; below a fraction bar
it is another power of them.

Wrong:

    # bnraw = bndiff * bnvar_inv
    dbndiff = bndiff * bnvar_inv * dbnraw

Right:

    dbndiff = bnvar_inv * dbnraw
"""

import ast
import re
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from handgrad.checker.explain.causes.local_derivative import known
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.products import products, upside_down
from handgrad.checker.explain.search.shares import (
    forward_line,
    is_upstream_alone,
    quotient,
    same,
)
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG105"
NAME = "factor of a tensor"
SAMPLE = 4096
"""So many elements are compared with each function of each tensor."""

Function = tuple[str, str, Callable[[Tensor], Tensor]]
FUNCTIONS: tuple[Function, ...] = (
    ("{}", "{} / {}", lambda x: x),
    ("1 / {}", "{} * {}", lambda x: 1 / x),
    ("{}**2", "{} / {}**2", lambda x: x * x),
    ("1 / {}**2", "{} * {}**2", lambda x: 1 / (x * x)),
    ("{}**3", "{} / {}**3", lambda x: x**3),
    ("1 / {}**3", "{} * {}**3", lambda x: 1 / x**3),
    ("{}**0.5", "{} / {}**0.5", lambda x: x.sqrt()),
    ("1 / {}**0.5", "{} * {}**0.5", lambda x: 1 / x.sqrt()),
    ("-{}", "-{} / {}", lambda x: -x),
    ("-1 / {}", "-{} * {}", lambda x: -1 / x),
    ("exp({})", "{} * torch.exp(-{})", lambda x: x.exp()),
    ("1 / exp({})", "{} * torch.exp({})", lambda x: (-x).exp()),
    ("1 - {}", "{} / (1 - {})", lambda x: 1 - x),
    ("1 / (1 - {})", "{} * (1 - {})", lambda x: 1 / (1 - x)),
    ("1 - {}**2", "{} / (1 - {}**2)", lambda x: 1 - x * x),
    ("1 / (1 - {}**2)", "{} * (1 - {}**2)", lambda x: 1 / (1 - x * x)),
)
"""How what was made is off; how it is mended, the value first; the function."""


def find(suspect: Suspect) -> Finding | None:
    """Hold made / right to each tensor; then take one factor out, or put one of the forward in."""
    if any(is_upstream_alone(suspect, part) for part in suspect.parts):
        return None
    found = quotient(suspect)
    for name, (said, mended, _) in _functions(suspect, found) if found is not None else ():
        once = said == "{}" and _stands(suspect, name)
        if not once and any(known(suspect, part) for part in suspect.parts):
            continue  # local_derivative says which it should be
        message = _message(suspect, said, name)
        texts = _mended(suspect, suspect.text, name, mended) if suspect.text is not None else ()
        fix = suspect.first(iter(texts))
        if fix is not None or not any(known(suspect, part) for part in suspect.parts):
            return Finding(message, fix)
    if suspect.text is None:
        return None
    for fix, message in [*_without(suspect, suspect.text), *_with(suspect, suspect.text)]:
        if suspect.mends(fix):
            return Finding(message, fix)
    return None


def _functions(suspect: Suspect, found: tuple[Tensor, Tensor]) -> Iterator[tuple[str, Function]]:
    """Yield the tensors of which the quotient is a function, with the function."""
    off, known = found
    for name in _near(suspect):
        value = suspect.tensor(name)
        if value is None or value.ndim > off.ndim or value.numel() < 2:
            continue
        try:
            own = value.double().expand_as(off)
        except RuntimeError:
            continue
        some, mine = off[known][:SAMPLE], own[known][:SAMPLE]
        for function in FUNCTIONS:
            made = function[2](mine)
            if same(some, made) and bool(((some - made).abs() <= 1e-4 * some.abs()).all()):
                yield name, function


def _stands(suspect: Suspect, name: str) -> bool:
    text = suspect.text
    return text is not None and any(n.id == name for n in text.of(ast.Name))


def _message(suspect: Suspect, said: str, name: str) -> str:
    if said == "{}" and _stands(suspect, name):
        return f"Off by the factor {name}: it stands here once too often."
    if said == "1 / {}" and not _stands(suspect, name):
        line = _beside(suspect).get(name)
        return f"The factor {name} is missing" + (f": `{line}` has it." if line else ".")
    return f"Off by the factor {said.format(name)}."


def _near(suspect: Suspect) -> list[str]:
    """Return the tensors' names: those in the forward's lines that read this node first."""
    known = dict.fromkeys([*_beside(suspect), *suspect.names, *suspect.gradients.values()])
    return [name for name in known if name != suspect.hand.name]


def _beside(suspect: Suspect) -> dict[str, str]:
    """Return the names in the lines that made the consumers, each with its line."""
    found: dict[str, str] = {}
    for part in suspect.parts:
        line = forward_line(suspect, part.consumer)
        for name in re.findall(r"[A-Za-z_]\w*", line.partition("=")[2]) if line else ():
            if name != suspect.node.name and suspect.tensor(name) is not None:
                found.setdefault(name, line or "")
    return found


def _mended(suspect: Suspect, text: Text, name: str, mended: str) -> Iterator[str]:
    yield from (fix for fix, _ in _without(suspect, text))
    yield from upside_down(text)
    yield from (fix for fix, _ in _with(suspect, text))
    value = text.value
    if value is not None:
        loose = isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub)
        whole = text.segment(value)
        yield text.replace(value, mended.format(f"({whole})" if loose else whole, name))


def _without(suspect: Suspect, text: Text) -> Iterator[tuple[str, str]]:
    """Yield the statement with one factor, or divisor, left out."""
    for product in products(text):
        for side, other in ((product.left, product.right), (product.right, product.left)):
            if not product.is_matrix and _is_tensor(suspect, text, side):
                said = text.segment(side)
                yield (
                    text.replace(product.node, text.segment(other)),
                    f"The factor {said} stands here, and must not.",
                )
    for node in text.of(ast.BinOp):
        if isinstance(node.op, ast.Div) and _is_tensor(suspect, text, node.right):
            below = text.segment(node.right)
            said = f"It is divided by {below} here, and must not be."
            yield text.replace(node, text.segment(node.left)), said


def _with(suspect: Suspect, text: Text) -> Iterator[tuple[str, str]]:
    """Yield the statement with a factor of the forward's line put to one expression."""
    for name, line in _beside(suspect).items():
        for node in text.of(ast.expr):
            if not isinstance(node, ast.Name | ast.BinOp):
                continue
            if text.segment(node) != name and _is_tensor(suspect, text, node):
                loose = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
                whole = f"({text.segment(node)})" if loose else text.segment(node)
                said = f"The factor {name} is missing: `{line}` has it."
                yield text.replace(node, f"{name} * {whole}"), said


def _is_tensor(suspect: Suspect, text: Text, node: ast.expr) -> bool:
    found = suspect.value(text.segment(node))
    return isinstance(found, torch.Tensor) and found.is_floating_point()
