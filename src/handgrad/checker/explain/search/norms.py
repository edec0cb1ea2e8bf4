"""The backward pass of a normalisation in one line, in the user's names.

    dx = gain * rstd / n * (n * dout - dout.sum(0) - n / (n - 1) * xhat * (dout * xhat).sum(0))

for batchnorm; layernorm goes along the last dimension, its gain inside the sums.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from handgrad.checker.explain.search.closed import (
    Fitted,
    alike,
    fitted,
    node_value,
    reads,
    rescaled,
    target,
    tensors,
    terms_of,
    wrapped,
)
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.paths import Term
from handgrad.checker.explain.search.relations import called, count_named, is_near, summands
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.write.closed_forms import closed_form

_EPS = ("1e-5", "1e-05", "1e-6", "1e-8", "1e-3", "1e-12")


@dataclass(frozen=True)
class _Parts:
    """Texts: of the normalised value, of what it was divided by, and how it counts."""

    xhat: str
    rstd: str
    bessel: bool


def along(suspect: Suspect) -> int | None:
    """Return the dimension that the node is normalised along: 0, or -1; None where it is not.

    Three terms, whose sum vanishes along it: a shift of all does not change the result.
    """
    x, right = suspect.node.value, suspect.right
    if x.dim() < 2 or len(terms_of(suspect)) != 3:
        return None
    for dim in (0, -1):
        if bool((right.sum(dim).abs() <= 1e-9 * right.abs().sum(dim) + 1e-30).all()):
            return dim
    return None


def norm_lines(suspect: Suspect) -> Iterator[str]:
    """Yield the lines that may be the whole of a batchnorm's or layernorm's backward."""
    dim = along(suspect)
    if dim is None or suspect.text is None or (suspect.node.value.dim() != 2 and dim == 0):
        return
    x = suspect.node.value
    size = x.shape[dim]
    n, tail = count_named(suspect, size), "0" if dim == 0 else "-1, keepdim=True"
    for dout in reads(suspect):
        for parts in _parts(suspect, dim, tail):
            bessel = closed_form("bessel", n=n) if parts.bessel else ""
            for gain in ("", *_gains(suspect, x)):
                out = f"({gain} * {dout})" if gain and dim != 0 else dout
                scale = f"{gain} * {parts.rstd}" if gain and dim == 0 else parts.rstd
                dx = closed_form(
                    "norm", scale=scale, n=n, d=out, dims=tail, xhat=parts.xhat, bessel=bessel
                )
                yield f"{target(suspect)} {dx}"


def _parts(suspect: Suspect, dim: int, tail: str) -> Iterator[_Parts]:
    """Yield names for the normalised value and rstd where there are; else they are written out."""
    x = suspect.tensor(suspect.node.name)
    x = suspect.node.value.double() if x is None else x.double()
    diff = x - x.mean(dim, keepdim=True)
    named = [n for n, v in tensors(suspect).items() if v.shape == x.shape]
    for bessel in (False, True):
        var = (diff**2).sum(dim, keepdim=True) / (x.shape[dim] - bessel)
        hats = [n for n in named if _is_hat(node_value(suspect, n), diff, var)]
        for hat in hats[:2]:
            value = node_value(suspect, hat)
            for rstd in _rstds(suspect, diff, value):
                yield _Parts(hat, rstd, bessel)
    own = suspect.node.name
    keep = "0, keepdim=True" if dim == 0 else tail
    for bessel in (False, True):
        for eps in _EPS[:1] + _EPS[2:]:
            how = "" if bessel else ", unbiased=False"
            rstd = f"({own}.var({keep}{how}) + {eps})**-0.5"
            yield _Parts(f"({closed_form('xhat', x=own, dims=dim, rstd=rstd)})", rstd, bessel)


def _is_hat(value: Tensor | None, diff: Tensor, var: Tensor) -> bool:
    """Tell whether a named value is the node, normalised; eps moves it a little."""
    if value is None or value.shape != diff.shape:
        return False
    return bool(torch.allclose(value, diff * var**-0.5, rtol=1e-2, atol=1e-3))


def _rstds(suspect: Suspect, diff: Tensor, hat: Tensor | None) -> list[str]:
    """Return the names of what the difference is multiplied by to give the normalised value."""
    if hat is None:
        return []
    found = []
    for name, own in tensors(suspect).items():
        value = node_value(suspect, name) if own.numel() * 2 <= hat.numel() else None
        if value is None:
            continue
        if alike(_times(diff, value), hat):
            found.append(name)
        elif alike(_times(hat, value), diff):
            found.append(f"{name}**-1")
    return found[:2]


def _times(a: Tensor, b: Tensor) -> Tensor:
    try:
        return a * b
    except RuntimeError:
        return a


def _gains(suspect: Suspect, x: Tensor) -> list[str]:
    """Return the names of what may scale the columns: leaves of one row."""
    names = [n for n, b in suspect.names.items() if b.value.numel() == x.shape[-1]
             and b.value.dim() > 0 and b.value.shape[-1] == x.shape[-1]]  # fmt: skip
    return names[:4]


def wrong_terms(suspect: Suspect, block: str) -> Finding | None:
    """Say which of the three terms is off, and by what."""
    fit = fitted(suspect)
    if fit is None:
        return _another(suspect, block)
    if all(is_near(c, 1.0) for c in fit.times):
        return None
    fix = suspect.first(rescaled(suspect, fit))
    if fix is None:
        fix = suspect.first(norm_lines(suspect))
    said = list(_said(suspect, fit))
    if fix is None and not all(nameable for _, nameable in said):
        return None
    return Finding(f"{block}'s closed form: {'; '.join(text for text, _ in said)}.", fix)


def _another(suspect: Suspect, block: str) -> Finding | None:
    """Find a factor that is missing; then say that the line is no sum of the three terms."""
    text = suspect.text
    if text is None or text.value is None:
        return None
    names = dict.fromkeys(
        [*_gains(suspect, suspect.node.value), *(n for p in _named_parts(suspect) for n in p)]
    )
    products = [n for n in text.of(ast.BinOp) if isinstance(n.op, ast.Mult | ast.Div)]
    for part in dict.fromkeys([text.value, *summands(text.value), *products]):
        for name in names:
            fix = wrapped(text, part, f"{name} * {{}}")
            if suspect.mends(fix):
                return Finding(f"{block}'s closed form: the factor {name} is missing.", fix)
    whole = suspect.first(norm_lines(suspect))
    if whole is None:
        return None
    said = f"This is not {block}'s closed form: it is no sum of the terms that come back directly, "
    return Finding(f"{said}through the mean and through the variance.", whole)


def _named_parts(suspect: Suspect) -> Iterator[tuple[str, str]]:
    dim = along(suspect)
    tail = "0" if dim == 0 else "-1, keepdim=True"
    for parts in _parts(suspect, dim or 0, tail) if dim is not None else ():
        if parts.xhat.isidentifier() and parts.rstd.isidentifier():
            yield parts.xhat, parts.rstd


def _said(suspect: Suspect, fit: Fitted) -> Iterator[tuple[str, bool]]:
    """Yield what is the matter with the terms, and whether the number in it has a name."""
    if fit.overall is not None:
        name, known = called(suspect, fit.overall)
        yield f"all of it is {name} times what is right", known
        return
    for term in fit.lost:
        yield f"{_named(term)} is missing", True
    for term, times in fit.off:
        if is_near(times, -1.0):
            yield f"the sign of {_named(term)} is turned", True
        else:
            name, known = called(suspect, times)
            yield f"{_named(term)} is {name} times what is right", known


def _named(term: Term) -> str:
    return f"the term through {term.name}" if term.name else "the direct term"
