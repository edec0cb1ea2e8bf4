"""Reductions: sums put in, left out, moved; another dimension; mean for sum; keepdim."""

import ast
from collections.abc import Iterator
from itertools import combinations

from torch import Tensor

from handgrad.checker.explain.search.calls import (
    DIMS,
    REDUCTIONS,
    LineCall,
    calls,
    counts_back,
    keepdim_in,
    reduced,
)
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.grammar.edit import Edit
from handgrad.checker.explain.search.products import products
from handgrad.checker.explain.search.suspect import Suspect

MOST = 4
"""Tensors of more dimensions than this have too many pairs of them to try."""
_ALONG = {"sum", "mean", "max", "min", "amax", "amin", "argmax", "argmin", "softmax", "log_softmax",
          "var", "std", "cumsum", "prod", "norm", "logsumexp", "flip", "cat", "stack", "gather",
          "index_select", "index_add_", "scatter_add_", "unsqueeze", "chunk", "split", "roll",
          "concat"}  # fmt: skip
SMALL = 1e-9
_TOTAL = ("sum", "mean")
_DONE = {"sum": "summed", "mean": "averaged", "nansum": "summed"}


def without_reduction(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Leave out one sum or mean."""
    for call in calls(text, _DONE):
        yield Edit(call.left_out(), call.inner, _DONE[call.name])


def mean_for_sum(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put sum for mean, and mean for sum."""
    for call in calls(text, ("sum", "mean")):
        other = "mean" if call.name == "sum" else "sum"
        yield Edit(call.renamed(other), call.name, other)


def in_shape(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Keep a dimension or drop it; then bring the whole to the shape that is due."""
    correction = suspect.grade.fit.correction if suspect.grade.fit is not None else ""
    for call in calls(text, REDUCTIONS):
        yield Edit(call.kept())
    for call in calls(text, ("unsqueeze", "squeeze", "view", "reshape", "flatten")):
        yield Edit(call.left_out())
    if text.value is not None and correction.startswith("."):
        yield Edit(text.wrap(text.value, f"{{}}{correction}"))


def summed(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Sum the whole, or one expression in it, along each dimension."""
    inner = [node for node in text.of(ast.expr) if isinstance(node, ast.Name | ast.BinOp)]
    for node in dict.fromkeys([text.value, *inner]):
        value = suspect.value(text.segment(node)) if node is not None else None
        if node is None or not isinstance(value, Tensor) or not value.is_floating_point():
            continue
        for dims, dimensions in _dims(value.ndim, counts_back(text)):
            if _adds_up(value, dims):
                continue  # of probabilities: 1, which would hide a factor too many
            for keep in (True, False):
                yield Edit(reduced(text, node, "sum", dims, keep), now=dimensions)
        if value.ndim:
            yield Edit(reduced(text, node, "sum", "", False), now="all dimensions")


def _adds_up(value: Tensor, dims: str) -> bool:
    """Tell whether a tensor adds up to 1 along dimensions."""
    whole = value.sum(ast.literal_eval(dims))
    return bool(((whole - 1).abs() < SMALL).all())


def summed_last(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Move the sum of a factor out of its product."""
    sums = {id(call.node): call for call in calls(text, ("sum",))}
    for product in products(text):
        left, right = (sums.get(id(side)) for side in (product.left, product.right))
        a, b = product.sides
        inner = product.of(
            a if left is None else left.inner,
            b if right is None else right.inner,
            within=product.node,
        )
        for call in (left, right) if not product.is_matrix else ():
            if call is not None:
                yield Edit(text.replace(product.node, call.on(inner)))


def along(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put another dimension wherever one is named, and one where a sum goes over all."""
    for call in calls(text, _ALONG):
        named = [
            *((call.node.args[0],) if call.is_method and call.node.args else ()),
            *call.rest[:2],
            *(k.value for k in call.node.keywords if k.arg in DIMS),
        ]
        rank = _rank(suspect, call)
        for argument in dict.fromkeys(named):
            written = text.segment(argument)
            for other in _others(suspect.value(written), rank):
                yield _along(call, written, text.replace(argument, other), other)
        for other in _others(None, rank) if call.name in _TOTAL and call.dims is None else ():
            yield _along(call, "", call.with_dims(other), other)
            if not call.node.keywords:
                kept = call.with_dims(f"{other}, {keepdim_in(text)}=True")
                yield _along(call, "", kept, other)


def _along(call: LineCall, current: str, fix: str, other: str) -> Edit:
    return Edit(fix, f"{call.name} runs along {_named(current)}", _named(other))


def _named(axis: str) -> str:
    if not axis:
        return "all dimensions"
    several = axis.startswith(("(", "["))
    return f"dimension{'s' if several else ''} {axis.strip('()[]') if several else axis}"


def _rank(suspect: Suspect, call: LineCall) -> int:
    rank = getattr(suspect.value(call.inner), "ndim", None)
    return rank if isinstance(rank, int) else 2


def _others(axis: object, rank: int) -> Iterator[str]:
    """Yield other dimensions than `axis`, counted from the side that it is counted from."""
    if isinstance(axis, bool) or rank < 1 or not isinstance(axis, int | tuple | list | None):
        return
    single = axis if isinstance(axis, int) else None
    negative = single < 0 if single is not None else bool(axis) and min(axis) < 0  # type: ignore
    dims = range(-1, -rank - 1, -1) if negative else range(rank)
    yield from (str(d) for d in dims if d != single)
    if single is None or rank > 2:
        for some in _several(sorted(dims), rank - 1):
            if not isinstance(axis, tuple | list) or set(some) != set(axis):
                yield str(some)
    if rank == 1 and single is not None:
        yield str(-1 - single)


def _dims(rank: int, back: bool) -> Iterator[tuple[str, str]]:
    """Yield dimensions, the last of them as the author counts it, and what they are called."""
    for i in range(rank):
        last = back and i == rank - 1 > 0
        yield str(-1 if last else i), "the last dimension" if last else f"dimension {i}"
    for some in _several(list(range(rank)), rank):
        yield str(some), f"dimensions {', '.join(map(str, some))}"


def _several(dims: list[int], most: int) -> Iterator[tuple[int, ...]]:
    """Yield two of the dimensions or more, up to `most`, unless there are too many to try."""
    for size in range(2, most + 1 if len(dims) <= MOST else 0):
        yield from combinations(dims, size)
