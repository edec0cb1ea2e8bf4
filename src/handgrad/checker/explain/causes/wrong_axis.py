"""Summed, or searched, along the other dimension.

What: sum(0) where sum(1) belongs, or the reverse; the same for max, softmax, mean.

Why: a sum undoes a broadcast, along the dimension that was broadcast: a row (1, H) that was added
to every row of a batch collects over the batch, dimension 0.

Wrong:

    # logits = h @ W2 + b2
    db2 = dlogits.sum(1)

Right:

    db2 = dlogits.sum(0)
"""

from collections.abc import Iterator
from itertools import combinations

from handgrad.checker.explain.search.calls import DIMS, Call, calls, keepdim_in
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG113"
NAME = "wrong axis"
_ALONG = {"sum", "mean", "max", "min", "amax", "amin", "argmax", "argmin", "softmax", "log_softmax",
          "var", "std", "cumsum", "prod", "norm", "logsumexp", "flip", "cat", "stack", "gather",
          "index_select", "index_add_", "scatter_add_", "unsqueeze", "chunk", "split", "roll",
          "concat"}  # fmt: skip
_TOTAL = ("sum", "mean")
MOST = 4
"""Tensors of more dimensions than this have too many pairs of them to try."""


def find(suspect: Suspect) -> Finding | None:
    """Put another dimension wherever one is named, and one where a sum goes over all."""
    if suspect.text is None:
        return None
    for call in calls(suspect.text, _ALONG):
        for axis, fix, other in _axes(suspect, call):
            if suspect.mends(fix):
                return Finding(
                    f"{call.name} goes along {_said(axis)} here; along {_said(other)} is right.",
                    fix,
                )
    return None


def _axes(suspect: Suspect, call: Call) -> Iterator[tuple[str, str, str]]:
    """Yield the dimension named, the statement with another, and that."""
    named = [
        *((call.node.args[0],) if call.is_method and call.node.args else ()),
        *call.rest[:2],
        *(k.value for k in call.node.keywords if k.arg in DIMS),
    ]
    for argument in dict.fromkeys(named):
        written = suspect.text.segment(argument) if suspect.text is not None else ""
        axis = suspect.value(written)
        for other in _others(axis, _rank(suspect, call)):
            yield written, call.text.replace(argument, other), other
    if call.name in _TOTAL and call.dims is None:
        for other in _others(None, _rank(suspect, call)):
            kept = f"{other}, {keepdim_in(call.text)}=True"
            yield "all", call.with_dims(other), other
            if not call.node.keywords:
                yield "all", call.with_dims(kept), other


def _rank(suspect: Suspect, call: Call) -> int:
    value = suspect.value(call.inner)
    rank = getattr(value, "ndim", None)
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
        for size in range(2, rank if rank <= MOST else 0):
            for some in combinations(sorted(dims), size):
                if not isinstance(axis, tuple | list) or set(some) != set(axis):
                    yield str(some)
    if rank == 1 and single is not None:
        yield str(-1 - single)


def _said(axis: str) -> str:
    if axis == "all":
        return "all dimensions"
    several = axis.startswith(("(", "["))
    return f"dimension{'s' if several else ''} {axis.strip('()[]') if several else axis}"
