"""Recognise norms: minus the mean, divided by the standard deviation; or divided by the rms."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import permutations
from math import inf
from typing import Any

from torch import Tensor

from handgrad.checker.write.closed_forms import closed_form
from handgrad.checker.write.compose.broadcasting import broadcasts_to
from handgrad.checker.write.compose.graph import Graph
from handgrad.checker.write.derive.between import ALIKE, Block, ExactValues, Subgraph, alike, apart
from handgrad.checker.write.rules.rule import Forms, OpCall

LARGEST_EPS = 0.1


def normalisation(graph: Graph, subgraph: Subgraph, exact: ExactValues) -> Block | None:
    """Return the block if it normalises, with or without gain and bias.

    Several known norms may give the recorded result; the nearest is taken, since a variance that
    divides by n differs little from one that divides by n - 1 if there are many rows.
    """
    if len(subgraph.ops) < 4:
        return None
    x, out = exact.of(subgraph.start), exact.of(subgraph.end)
    smallest, nearest = ALIKE, None
    for norm in _norms(subgraph, x):
        distance, affine = _affine(subgraph, exact, norm.xhat, out)
        if distance <= smallest and (nearest is None or distance < smallest):
            smallest, nearest = distance, (norm, affine)
    return None if nearest is None else _block(graph, subgraph, exact, *nearest)


@dataclass(frozen=True)
class _Norm:
    """A known normalisation of the block's input, without gain and bias."""

    name: str
    dims: tuple[int, ...]
    count: int
    """The number of elements that are normalised together."""
    correction: int
    eps: float
    xhat: Tensor
    rstd: Tensor

    @property
    def count_text(self) -> str | None:
        """How to write `count`, if it is one size of the input."""
        if self.name != "batchnorm":
            return "input.shape[-1]"
        return "input.shape[0]" if len(self.dims) == 1 else None


def _norms(subgraph: Subgraph, x: Tensor) -> Iterator[_Norm]:
    for name, dims in (("batchnorm", tuple(range(x.dim() - 1))), ("layernorm", (-1,))):
        count = x[..., 0].numel() if name == "batchnorm" else x.shape[-1]
        if count < 2:
            continue
        for correction in (0, 1):
            for eps in _epsilons(subgraph):
                rstd = (x.var(dims, correction=correction, keepdim=True) + eps) ** -0.5
                xhat = (x - x.mean(dims, keepdim=True)) * rstd
                if not xhat.any():
                    continue  # where nothing varies, every norm gives 0
                yield _Norm(name, dims, count, correction, eps, xhat, rstd)
    for eps in _epsilons(subgraph) if x.shape[-1] > 1 else ():
        rstd = ((x**2).mean(-1, keepdim=True) + eps) ** -0.5
        if x.any():
            yield _Norm("rmsnorm", (-1,), x.shape[-1], 0, eps, x * rstd, rstd)


def _epsilons(subgraph: Subgraph) -> list[float]:
    """Return the numbers in the block that may be its eps, and 0."""
    constants = [a for op in subgraph.ops for a in (*op.args, *op.kwargs.values())
                 if isinstance(a, float) and 0 < a < LARGEST_EPS]  # fmt: skip
    return [*dict.fromkeys(constants), 0.0]


def _affine(
    subgraph: Subgraph, exact: ExactValues, xhat: Tensor, out: Tensor
) -> tuple[float, dict[str, Tensor]]:
    """Return the distance of the block from `gain * xhat + bias`, and gain and bias by name."""
    others, nearest = subgraph.others, (inf, dict[str, Tensor]())
    if not all(broadcasts_to(tuple(v.tensor.shape), tuple(out.shape)) for v in others):
        return nearest
    for order in permutations(others):
        for names in _ROLES[len(others)]:
            roles = dict(zip(names, order, strict=True))
            known = xhat
            if "gain" in roles:
                known = known * exact.of(roles["gain"])
            if "bias" in roles:
                known = known + exact.of(roles["bias"])
            distance = apart(known, out)
            if distance < nearest[0]:
                nearest = distance, {name: value.tensor for name, value in roles.items()}
    return nearest


_ROLES: dict[int, list[tuple[str, ...]]] = {
    0: [()],
    1: [("gain",), ("bias",)],
    2: [("gain", "bias")],
}


def _block(
    graph: Graph, subgraph: Subgraph, exact: ExactValues, norm: _Norm, affine: Mapping[str, Tensor]
) -> Block:
    """Return the block with its closed form, which uses named steps inside it where there are."""
    dims = norm.dims[0] if len(norm.dims) == 1 else norm.dims
    keepdim = "" if norm.name == "batchnorm" and len(norm.dims) == 1 else ", keepdim=True"
    named = {
        "rstd": _named_step(graph, subgraph, exact, norm.rstd),
        "std": _named_step(graph, subgraph, exact, 1 / norm.rstd),
        "xhat": _named_step(graph, subgraph, exact, norm.xhat),
    }
    steps = _steps(norm, dims, {name for name, step in named.items() if step is not None})
    xhat = "xhat"
    if not affine and subgraph.end.bind is not None:
        xhat = "out"
        steps.pop("$xhat", None)
    scale, d = "rstd", "d"
    if "gain" in affine and norm.name == "batchnorm":
        scale = "gain * rstd"  # constant down a column, so it may stand outside the sums
    elif "gain" in affine:
        steps["$dxhat"], d = "gain * d", "dxhat"

    def forms(c: OpCall) -> Forms:
        n = c.number(norm.count, norm.count_text)
        bessel = closed_form("bessel", n=n) if norm.correction else ""
        sums = {"dims": f"{dims}{keepdim}", "xhat": xhat, "bessel": bessel}
        dx = closed_form("norm", scale=scale, n=n, d=d, **sums)
        if norm.name == "rmsnorm":
            dx = closed_form("rms_norm", d=d, xhat=xhat, dims=dims)
        return {**steps, "input": dx, "gain": f"{xhat} * d", "bias": "d"}

    values: dict[str, Any] = {"input": subgraph.start.tensor, **affine}
    values |= {name: step for name, step in named.items() if step is not None}
    return Block(norm.name, subgraph, values, forms)


def _steps(norm: _Norm, dims: int | tuple[int, ...], named: Set[str]) -> dict[str, str]:
    """Return the steps that have no name inside the block, as templates."""
    steps: dict[str, str] = {}
    if "rstd" not in named and "std" in named:
        steps["$rstd"] = "1 / std"
    elif "rstd" not in named:
        form = "rstd" if norm.eps else "rstd_without_eps"
        form = f"rms_{form}" if norm.name == "rmsnorm" else form
        settings = {"dims": dims, "correction": norm.correction, "eps": repr(norm.eps)}
        steps["$rstd"] = closed_form(form, x="input", **settings)
    if "xhat" not in named:
        form = "rms_xhat" if norm.name == "rmsnorm" else "xhat"
        steps["$xhat"] = closed_form(form, x="input", dims=dims, rstd="rstd")
    return steps


def _named_step(
    graph: Graph, subgraph: Subgraph, exact: ExactValues, value: Tensor
) -> Tensor | None:
    """Return the named step inside the block that equals `value`, if there is one."""
    for op in subgraph.ops:
        for result in graph.results[op.index]:
            named = result.bind is not None and result is not subgraph.end and result.until is None
            if named and alike(exact.of(result), value):
                return result.tensor
    return None
