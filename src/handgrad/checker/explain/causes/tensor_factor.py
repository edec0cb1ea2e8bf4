"""Wrong by a factor that is a tensor, or a power or function of one.

What: a factor is missing, appears once too often, or multiplies instead of dividing.

Why: the gradient of one factor of a product contains all the other factors once; in a denominator
it contains another power of them.

Wrong:

    # bnraw = bndiff * bnvar_inv
    dbndiff = bndiff * bnvar_inv * dbnraw

Right:

    dbndiff = bnvar_inv * dbnraw
"""

import ast
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from handgrad.checker.closeness import same_numbers
from handgrad.checker.explain.causes.local_derivative import known
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar import factors
from handgrad.checker.explain.search.grammar.edit import corrected, edited
from handgrad.checker.explain.search.grammar.factors import beside
from handgrad.checker.explain.search.shares import agreed, is_upstream_alone, shares
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG105"
NAME = "factor of a tensor"
ORDER = 390
SAMPLE = 4096
"""Number of elements that are compared with each function of each tensor."""

FUNCTIONS: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
    ("{}", lambda x: x),
    ("{}**2", lambda x: x * x),
    ("{}**3", lambda x: x**3),
    ("{}**0.5", lambda x: x.sqrt()),
    ("-{}", lambda x: -x),
    ("torch.exp({})", lambda x: x.exp()),
    ("(1 - {})", lambda x: 1 - x),
    ("(1 - {}**2)", lambda x: 1 - x * x),
)
"""The functions of a tensor that may be the wrong factor, or its reciprocal."""
EDITS = (
    (factors.without_tensor, "The {was} does not belong here."),
    (factors.with_tensor, "The factor {was} is missing: `{now}` has it."),
)
COMPLEMENT = ((factors.complement, "{was} is used where {now} belongs."),)


def find(suspect: Suspect) -> Finding | None:
    """Compare the quotient with each tensor; then remove one factor, or insert one."""
    if any(is_upstream_alone(suspect, part) for part in suspect.parts):
        return None
    complement = edited(suspect, COMPLEMENT)
    if complement is not None:
        return complement
    found = agreed(shares(suspect))
    has_rule = any(known(suspect, part) for part in suspect.parts)
    for name, factor, over in _functions(suspect, found) if found is not None else ():
        if has_rule and not (factor == name and not over and _stands(suspect, name)):
            continue  # local_derivative says which it should be
        fix = _corrected_by(suspect, factor, over)
        if fix is not None or not has_rule:
            return Finding(_message(suspect, name, factor, over), fix)
    return edited(suspect, EDITS)


def _functions(suspect: Suspect, found: tuple[Tensor, Tensor]) -> Iterator[tuple[str, str, bool]]:
    """Yield tensors that explain the quotient, the factor, and whether it is the reciprocal."""
    off, known = found
    for name in _near(suspect):
        value = suspect.tensor(name)
        if value is None or value.ndim > off.ndim or value.numel() < 2:
            continue
        try:
            expanded = value.double().expand_as(off)
        except RuntimeError:
            continue
        some, mine = off[known][:SAMPLE], expanded[known][:SAMPLE]
        for template, function in FUNCTIONS:
            for over in (False, True):
                made = 1 / function(mine) if over else function(mine)
                near = same_numbers(some, made)
                if near and torch.allclose(made, some, rtol=1e-4, atol=0):
                    yield name, template.format(name), over


def _stands(suspect: Suspect, name: str) -> bool:
    names = suspect.text.of(ast.Name) if suspect.text is not None else ()
    return any(node.id == name for node in names)


def _message(suspect: Suspect, name: str, factor: str, over: bool) -> str:
    if factor == name and not over and _stands(suspect, name):
        return f"Off by the factor {name}: it appears once too often."
    if factor == name and over and not _stands(suspect, name):
        line = beside(suspect).get(name)
        return f"The factor {name} is missing" + (f": `{line}` has it." if line else ".")
    return f"Off by the factor {f'1 / {factor}' if over else factor}."


def _near(suspect: Suspect) -> list[str]:
    """Return the names of tensors, those in the forward lines that read this node first."""
    known = dict.fromkeys([*beside(suspect), *suspect.names, *suspect.gradients.values()])
    return [name for name in known if name != suspect.hand.name]


def _corrected_by(suspect: Suspect, factor: str, over: bool) -> str | None:
    """Return the line without the factor, or with it, or with the whole divided by it."""
    text = suspect.text
    if text is None or text.value is None:
        return None
    whole = text.scaled(text.value, f"{{}} {'*' if over else '/'} {factor}")
    fix = corrected(suspect, factors.without_tensor, factors.upside_down, factors.with_tensor)
    return fix or suspect.first([whole])
