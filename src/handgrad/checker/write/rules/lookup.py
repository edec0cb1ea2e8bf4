"""Gather and scatter: by index, by mask, along a dimension."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.write.closed_forms import closed_form
from handgrad.checker.write.rules.rule import (
    AtIndex,
    ExceptIndex,
    Forms,
    NoRule,
    OpCall,
    Rule,
    whole,
)


def _getitem(c: OpCall) -> Forms:
    index = c["index"]
    parts = index if isinstance(index, tuple) else (index,)
    if not any(_is_advanced(p) for p in parts):
        return {"input": AtIndex("index", _basic(c, parts))}
    unique = _is_unique([p for p in parts if _is_advanced(p)])
    if not all(_is_advanced(p) for p in parts):
        return {"input": AtIndex("index", _mixed(c, parts), unique)}
    gradient = _one_hot_rows(c, parts)
    if gradient is None:
        accumulate = "" if unique else ", accumulate=True"
        gradient = f"torch.zeros_like(input).index_put_({_tensor_index(c, parts)}, d{accumulate})"
    return {"input": AtIndex("index", gradient, unique)}


def _is_advanced(part: Any) -> bool:
    return isinstance(part, Tensor | Sequence)


def _tensor_index(c: OpCall, parts: Sequence[Any]) -> str:
    """Return text for the index as a tuple of tensors, as index_put_ requires."""
    if all(isinstance(p, Tensor) for p in parts):
        return "index" if isinstance(c["index"], tuple) else "(index,)"
    c.extra |= {f"index{i}": p for i, p in enumerate(parts)}
    tensors = [f"index{i}" if isinstance(p, Tensor) else f"torch.tensor(index{i})"
               for i, p in enumerate(parts)]  # fmt: skip
    return f"({', '.join(tensors)},)"


def _is_unique(parts: Sequence[Any]) -> bool:
    """Tell whether an index is sure to repeat no element: it has a mask or range(n)."""
    if any(isinstance(p, Tensor) and p.dtype in (torch.bool, torch.uint8) for p in parts):
        return True
    flat = [torch.as_tensor(list(p) if isinstance(p, range) else p) for p in parts]
    vectors = all(p.dim() == 1 for p in flat) and len({len(p) for p in flat}) == 1
    return vectors and any(torch.equal(p.cpu(), torch.arange(len(p))) for p in flat)


def _one_hot_rows(c: OpCall, parts: Sequence[Any]) -> str | None:
    """Return the gradient of x[range(n), y], one-hot rows of y times d, or None."""
    rows = parts[0]
    every_row = len(parts) == len(c.shape()) == 2 and len(rows) == c.shape()[0]
    if not every_row or not isinstance(parts[1], Tensor) or not _is_unique(parts[:1]):
        return None
    if parts[1].dtype != torch.int64 or c["input"].dtype != torch.get_default_dtype():
        return None
    c.extra["column"] = parts[1]
    hot = closed_form("one_hot", index="column", classes=c.size_at(1))
    return f"raw * {hot}" if c.raw_is_number else f"{hot} * d.unsqueeze(1)"


def _mixed(c: OpCall, parts: Sequence[Any]) -> str:
    """Return the gradient for an index of slices and tensors, "" if no expression gives it.

    Only one integer vector among full slices can be written as one expression.
    """
    dims = [i for i, p in enumerate(parts) if _is_advanced(p)]
    rest = [p for p in parts if not _is_advanced(p)]
    part = parts[dims[0]]
    plain = isinstance(part, Tensor) and part.dim() == 1 and part.dtype == torch.int64
    if plain and len(dims) == 1 and all(p == slice(None) for p in rest):
        c.extra["where"] = part
        return f"torch.zeros_like(input).index_add_({dims[0]}, where, d)"
    return ""


def _basic(c: OpCall, parts: Sequence[Any]) -> str:
    """Return the gradient of x[parts], without tensors in the index, as one expression."""
    rank = len(c.shape())
    indexed = sum(p is not None and p is not Ellipsis for p in parts)
    full: list[Any] = []
    for part in parts:
        full += [slice(None)] * (rank - indexed) if part is Ellipsis else [part]
    value, dim = "d", 0
    slices: list[tuple[int, tuple[int, int, int]]] = []
    ints: list[tuple[int, int]] = []
    for at, part in enumerate(full):
        if part is None:
            position = sum(isinstance(p, slice) for p in full[:at])  # of the result's dimensions
            value = f"{value}.squeeze({position})"
        elif isinstance(part, slice) and part != slice(None):
            slices.append((dim, part.indices(c.shape()[dim])))
        elif not isinstance(part, slice):
            ints.append((dim, int(part)))
        dim += part is not None
    return _scattered(rank, value, slices, ints)


def _scattered(
    rank: int,
    text: str,
    slices: Sequence[tuple[int, tuple[int, int, int]]],
    ints: Sequence[tuple[int, int]],
) -> str:
    """Undo slices and then integers, which dropped dimensions; `input[...]` has each shape."""
    for k, (dim, (begin, end, step)) in enumerate(slices):
        index = [":"] * rank
        for other, (b, e, s) in slices[k + 1 :]:
            index[other] = f"{b}:{e}:{s}" if s != 1 else f"{b}:{e}"
        for other, at in ints:
            index[other] = str(at)
        at = dim - sum(d < dim for d, _ in ints)
        span = f"{begin}, {end}, {step}" if step != 1 else f"{begin}, {end}"
        text = f"torch.zeros_like({_like(index)}).slice_scatter({text}, {at}, {span})"
    for k, (dim, at) in enumerate(ints):
        index = [":"] * rank
        for other, b in ints[k + 1 :]:
            index[other] = str(b)
        shift = sum(d < dim for d, _ in ints[k + 1 :])
        text = f"torch.zeros_like({_like(index)}).select_scatter({text}, {dim - shift}, {at})"
    return text


def _like(parts: list[str]) -> str:
    while parts and parts[-1] == ":":
        parts = parts[:-1]
    return f"input[{', '.join(parts)}]" if parts else "input"


def _embedding(c: OpCall) -> Forms:
    c.require(max_norm=None, scale_grad_by_freq=False)
    if c["padding_idx"] is not None and (c["input"] == c["padding_idx"]).any():
        raise NoRule("embedding with a padding_idx that occurs in the input")
    put = "torch.zeros_like(weight).index_put_((input,), d, accumulate=True)"
    return {"weight": AtIndex("input", put, unique=False)}


def _scatter(c: OpCall) -> Forms:
    c.require(reduce=None)
    return {"input": "d.scatter(dim, index, 0)", "src": "d.gather(dim, index)"}


def _index_put(c: OpCall) -> Forms:
    if c["accumulate"]:
        return {"input": "d", "values": "d[index]"}
    return {"input": "d.index_put(index, torch.zeros_like(values))", "values": "d[index]"}


ALONG = "input, dim, index"

RULES: dict[str, Rule] = {
    "getitem": whole("input, index", _getitem),
    "setitem": whole("input, index, value", input=ExceptIndex("index"), value="d[index]"),
    "select": whole(ALONG, input="torch.zeros_like(input).select_scatter(d, dim, index)"),
    "index_select": whole(ALONG, input="torch.zeros_like(input).index_add_(dim, index, d)"),
    "gather": whole(
        ALONG + ", *, sparse_grad=False",
        input="torch.zeros_like(input).scatter_add_(dim, index, d)",
    ),
    "take_along_dim": whole(
        "input, index, dim", input="torch.zeros_like(input).scatter_add_(dim, index, d)"
    ),
    "take": whole("input, index", input="torch.zeros_like(input).put_(index, d, accumulate=True)"),
    "embedding": whole(
        "input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, "
        "sparse=False",
        _embedding,
    ),
    "masked_select": whole("input, mask", input="torch.zeros_like(input).masked_scatter(mask, d)"),
    "scatter": whole("input, dim, index, src, *, reduce=None", _scatter),
    "scatter_add": whole("input, dim, index, src", input="d", src="d.gather(dim, index)"),
    "index_add": whole(
        "input, dim, index, source, *, alpha=1",
        input="d",
        source="alpha * d.index_select(dim, index)",
    ),
    "index_copy": whole(
        "input, dim, index, source",
        input="d.index_fill(dim, index, 0)",
        source="d.index_select(dim, index)",
    ),
    "index_fill": whole("input, dim, index, value", input="d.index_fill(dim, index, 0)"),
    "index_put": whole("input, index, values, accumulate=False", _index_put),
}
