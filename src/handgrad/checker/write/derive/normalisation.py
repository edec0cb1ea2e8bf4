"""Batch norm and layer norm recognised: less the mean, over the root of the variance."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from math import inf
from typing import Any

from torch import Tensor

from handgrad.checker.write.closed_forms import closed_form
from handgrad.checker.write.compose.broadcasting import widens
from handgrad.checker.write.compose.graph import Graph
from handgrad.checker.write.derive.between import ALIKE, Between, Block, Held, alike, apart
from handgrad.checker.write.rules.rule import Forms

LARGEST_EPS = 0.1


def normalisation(graph: Graph, between: Between, held: Held) -> Block | None:
    """Less the mean, over the root of the variance; times gain, plus bias where they are there.

    Of those that give what was recorded, the nearest: n and n - 1 differ little in many rows.
    """
    if len(between.ops) < 4:
        return None
    x, out = held(between.start), held(between.end)
    nearest, best = ALIKE, None
    for known in _known(between, x):
        far, affine = _affine(between, held, known.xhat, out)
        if far <= nearest and (best is None or far < nearest):
            nearest, best = far, (known, affine)
    return None if best is None else _normalised(graph, between, held, *best)


@dataclass(frozen=True)
class _Known:
    """A normalisation of what the block begins with."""

    name: str
    dims: tuple[int, ...]
    correction: int
    eps: float
    xhat: Tensor
    rstd: Tensor


def _known(between: Between, x: Tensor) -> Iterator[_Known]:
    for name, dims in (("batchnorm", tuple(range(x.dim() - 1))), ("layernorm", (-1,))):
        count = x[..., 0].numel() if name == "batchnorm" else x.shape[-1]
        if count < 2:
            continue
        for correction in (0, 1):
            for eps in _epsilons(between):
                rstd = (x.var(dims, correction=correction, keepdim=True) + eps) ** -0.5
                xhat = (x - x.mean(dims, keepdim=True)) * rstd
                yield _Known(name, dims, correction, eps, xhat, rstd)


def _epsilons(between: Between) -> list[float]:
    given = [a for op in between.ops for a in (*op.args, *op.kwargs.values())
             if isinstance(a, float) and 0 < a < LARGEST_EPS]  # fmt: skip
    return [*dict.fromkeys(given), 0.0]


def _affine(
    between: Between, held: Held, xhat: Tensor, out: Tensor
) -> tuple[float, dict[str, Tensor]]:
    """Return how far the block is from `gain * xhat + bias`, with gain and bias by name."""
    others, best = between.others, (inf, dict[str, Tensor]())
    for order in permutations(others):
        for names in _ROLES[len(others)]:
            given = dict(zip(names, order, strict=True))
            if not all(widens(tuple(v.tensor.shape), tuple(out.shape)) for v in order):
                continue
            own = xhat
            if "gain" in given:
                own = own * held(given["gain"])
            if "bias" in given:
                own = own + held(given["bias"])
            far = apart(own, out)
            if far < best[0]:
                best = far, {name: value.tensor for name, value in given.items()}
    return best


_ROLES: dict[int, list[tuple[str, ...]]] = {
    0: [()],
    1: [("gain",), ("bias",)],
    2: [("gain", "bias")],
}


def _normalised(
    graph: Graph, between: Between, held: Held, known: _Known, affine: Mapping[str, Tensor]
) -> Block:
    """The closed form, in the names that the steps have where they have some."""
    dims = known.dims[0] if len(known.dims) == 1 else known.dims
    keep = "" if known.name == "batchnorm" and len(known.dims) == 1 else ", keepdim=True"
    values: dict[str, Any] = {"input": between.start.tensor, **affine}
    forms: dict[str, Any] = {}
    xhat = _step(graph, between, held, known.xhat)
    rstd = _step(graph, between, held, known.rstd)
    if rstd is None:
        rstd_of = "rstd" if known.eps else "rstd_without_eps"
        forms["$rstd"] = closed_form(
            rstd_of, x="input", dims=dims, correction=known.correction, eps=repr(known.eps)
        )
    else:
        values["rstd"] = rstd
    if xhat is None:
        forms["$xhat"] = closed_form("xhat", x="input", dims=dims, rstd="rstd")
    else:
        values["xhat"] = xhat
    scaled, dxhat = "rstd", "d"
    if "gain" in affine and known.name == "batchnorm":
        scaled = "gain * rstd"  # the same down a column: it may as well be outside
    elif "gain" in affine:
        forms["$dxhat"], dxhat = "gain * d", "dxhat"

    def decide(c: Any) -> Forms:
        n = c.number(_count(c["input"], known), _counted(known))
        forms["input"] = closed_form(
            "norm",
            scale=scaled,
            n=n,
            d=dxhat,
            dims=f"{dims}{keep}",
            xhat="xhat",
            bessel=closed_form("bessel", n=n) if known.correction else "",
        )
        forms["gain"], forms["bias"] = "xhat * d", "d"
        return forms

    return Block(known.name, between, values, decide)


def _count(x: Tensor, known: _Known) -> int:
    return int(x.shape[-1] if known.name == "layernorm" else x[..., 0].numel())


def _counted(known: _Known) -> str | None:
    if known.name == "layernorm":
        return "input.shape[-1]"
    return "input.shape[0]" if len(known.dims) == 1 else None


def _step(graph: Graph, between: Between, held: Held, value: Tensor) -> Tensor | None:
    """Return the step inside the block that holds this value, if it has a name."""
    for op in between.ops:
        for made in graph.made[op.index]:
            named = made.bind is not None and made is not between.end and made.until is None
            if named and alike(held(made), value):
                return made.tensor
    return None
