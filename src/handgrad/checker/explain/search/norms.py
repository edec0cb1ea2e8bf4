"""Norms: the backward in one line with the user's names, and which of its terms are wrong.

    dx = gain * rstd / n * (n * dout - dout.sum(0) - n / (n - 1) * xhat * (dout * xhat).sum(0))

for batchnorm; layernorm reduces the last dimension, and its gain stands inside the sums.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

import torch
from torch import Tensor

from handgrad.checker.closeness import close
from handgrad.checker.explain.search.closed import (
    cancels,
    fitted,
    is_near,
    rescaled,
    sentence,
    summands,
    target,
    tensors,
)
from handgrad.checker.explain.search.counts import count_named
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.paths import terms
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.write.closed_forms import closed_form
from handgrad.text import listed

GAINS = 8
"""Tensors that are tried as the gain."""
_EPS = ("1e-5", "1e-6", "1e-8", "1e-3", "1e-12")


@dataclass(frozen=True)
class _Parts:
    """Text for the normalised value and for rstd; whether the variance divides by n - 1."""

    xhat: str
    rstd: str
    bessel: bool


def along(suspect: Suspect) -> int | None:
    """Return the dimension, 0 or -1, along which the node is normalised, or None.

    The gradient then has three terms, and their sum adds up to 0 along it, because a constant added
    to all elements changes nothing.
    """
    if suspect.node.value.dim() < 2 or len(terms(suspect)) != 3:
        return None
    return next((dim for dim in (0, -1) if cancels(suspect.right, dim)), None)


def norm_lines(suspect: Suspect) -> Iterator[str]:
    """Yield candidates for the whole backward of a batchnorm or layernorm in one line."""
    dim = along(suspect)
    if dim is None or suspect.text is None or (suspect.node.value.dim() != 2 and dim == 0):
        return
    x = suspect.node.value
    size = x.shape[dim]
    n, tail = count_named(suspect, size), "0" if dim == 0 else "-1, keepdim=True"
    for dout in (hand.name for hand in suspect.reads):
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
    """Yield names for the normalised value and rstd, then expressions that compute them."""
    x = suspect.tensor(suspect.node.name)
    x = suspect.node.value.double() if x is None else x
    diff = x - x.mean(dim, keepdim=True)
    named = [n for n, v in tensors(suspect).items() if v.shape == x.shape]
    for bessel in (False, True):
        var = (diff**2).sum(dim, keepdim=True) / (x.shape[dim] - bessel)
        hats = [n for n in named if _is_hat(suspect.tensor(n), diff, var)]
        for hat in hats[:2]:
            for rstd in _rstds(suspect, diff, suspect.tensor(hat)):
                yield _Parts(hat, rstd, bessel)
    node = suspect.node.name
    keep = "0, keepdim=True" if dim == 0 else tail
    for bessel in (False, True):
        for eps in _EPS:
            how = "" if bessel else ", unbiased=False"
            rstd = f"({node}.var({keep}{how}) + {eps})**-0.5"
            yield _Parts(f"({closed_form('xhat', x=node, dims=dim, rstd=rstd)})", rstd, bessel)


def _is_hat(value: Tensor | None, diff: Tensor, var: Tensor) -> bool:
    """Tell whether a named value is the normalised node; the tolerance allows for eps."""
    if value is None or value.shape != diff.shape:
        return False
    return bool(torch.allclose(value, diff * var**-0.5, rtol=1e-2, atol=1e-3))


def _rstds(suspect: Suspect, diff: Tensor, hat: Tensor | None) -> list[str]:
    """Return the names of the factors that turn the difference into the normalised value."""
    if hat is None:
        return []
    factors = []
    for name, tensor in tensors(suspect).items():
        value = suspect.tensor(name) if tensor.numel() * 2 <= hat.numel() else None
        if value is None:
            continue
        if _scales(value, diff, hat):
            factors.append(name)
        elif _scales(value, hat, diff):
            factors.append(f"{name}**-1")
    return factors[:2]


def _scales(factor: Tensor, a: Tensor, b: Tensor) -> bool:
    try:
        return close(a * factor, b)
    except RuntimeError:  # the shapes do not broadcast
        return False


def _gains(suspect: Suspect, x: Tensor) -> list[str]:
    """Return the names of tensors that may be the gain: one number per column."""
    known = {n: b.value for n, b in suspect.names.items()}
    known |= {n: v for n, v in tensors(suspect).items() if n not in known}
    names = [n for n, v in known.items() if v.numel() == x.shape[-1]
             and v.dim() > 0 and v.shape[-1] == x.shape[-1]]  # fmt: skip
    return names[:GAINS]


def wrong_terms(suspect: Suspect, block: str) -> Finding | None:
    """Return a finding that names the wrong terms and their factors."""
    fit = fitted(suspect)
    if fit is None:
        return _other_form(suspect, block)
    if all(is_near(c, 1.0) for c in fit.times):
        return None
    unsummed = _unsummed(suspect, block)
    if unsummed is not None:
        return unsummed
    fix = suspect.first(rescaled(suspect, fit))
    if fix is None:
        fix = suspect.first(norm_lines(suspect))
    wrong = sentence(suspect, fit, fix, _named)
    return None if wrong is None else Finding(f"{block}'s closed form: {wrong}.", fix)


def _other_form(suspect: Suspect, block: str) -> Finding | None:
    """Find a missing factor; else return the whole line, if one of the candidates is right."""
    text = suspect.text
    if text is None or text.value is None:
        return None
    unsummed = _unsummed(suspect, block)
    if unsummed is not None:
        return unsummed
    names = dict.fromkeys([*_gains(suspect, suspect.node.value), *_named_parts(suspect)])
    products = [n for n in text.of(ast.BinOp) if isinstance(n.op, ast.Mult | ast.Div)]
    for part in dict.fromkeys([text.value, *summands(text.value), *products]):
        for name in names:
            fix = text.scaled(part, f"{name} * {{}}")
            if suspect.corrects(fix):
                return Finding(f"{block}'s closed form: the factor {name} is missing.", fix)
    whole = suspect.first(norm_lines(suspect))
    if whole is None:
        return None
    message = (
        f"This is not {block}'s closed form: it is not a sum of the direct term and the terms "
        "through the mean and the variance."
    )
    return Finding(message, whole)


def _unsummed(suspect: Suspect, block: str) -> Finding | None:
    """Find the terms that are not summed over what is normalised: one of them, or two."""
    text, dim = suspect.text, along(suspect)
    if text is None or text.value is None or dim is None:
        return None
    parts = [n for n in text.of(ast.expr) if isinstance(n, ast.Name | ast.BinOp)]
    values = {id(n): suspect.value(text.segment(n)) for n in parts if n is not text.value}
    parts = [n for n in parts if getattr(values.get(id(n)), "shape", None) == suspect.right.shape]
    how = "0" if dim == 0 else "-1, keepdim=True"
    over = "the batch" if dim == 0 else "the last dimension"
    for size in (1, 2):
        for some in combinations(parts, size):
            patches = [text.patch(n, f"{text.atom(n)}.sum({how})") for n in some]
            ends = sorted(patch[:2] for patch in patches)
            if all(a[1] <= b[0] for a, b in pairwise(ends)) and suspect.corrects(
                fix := text.patched(patches)
            ):
                names = listed([text.segment(n) for n in some])
                return Finding(f"{block}'s closed form: {names} must be summed over {over}.", fix)
    return None


def _named_parts(suspect: Suspect) -> Iterator[str]:
    dim = along(suspect)
    tail = "0" if dim == 0 else "-1, keepdim=True"
    for parts in _parts(suspect, dim or 0, tail) if dim is not None else ():
        if parts.xhat.isidentifier() and parts.rstd.isidentifier():
            yield from (parts.xhat, parts.rstd)


def _named(statistic: str) -> str:
    return f"the term through {statistic}" if statistic else "the direct term"
