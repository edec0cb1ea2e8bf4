"""`--fused`: known blocks undone in closed form, the steps inside them passed over.

A block is recognised by what it computes: between one named tensor and another, nothing else that
has a gradient comes in but gain and bias, nothing goes out, and on the recorded values it gives
what the known block gives. The lines are verified like any others.
"""

from bisect import bisect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.composing.graph import Graph, Value
from handgrad.checker.deriving.writer import Writer, Written
from handgrad.checker.recording.trace import Op, tensors_in
from handgrad.checker.rules import RULES
from handgrad.checker.rules.rule import Forms, NoRule

ALIKE = 1e-3
"""Relative to the largest element: half precision reaches it; the judge decides in the end."""
LARGEST_EPS = 0.1
MANY_OPS = 60
"""Operations between two tensors beyond which no block is looked for: a known one has 20."""


@dataclass(frozen=True)
class Between:
    """The operations from one value to another, and the other values with a gradient they read."""

    start: Value
    end: Value
    ops: tuple[Op, ...]
    others: tuple[Value, ...]


@dataclass(frozen=True)
class Block:
    """A stretch that a closed form undoes: `values` are the arguments of `forms`."""

    name: str
    between: Between
    values: Mapping[str, Any]
    forms: Forms | Callable[..., Forms]


def write_fused(writer: Writer) -> Written:
    """Write the pass with its known blocks undone as wholes."""
    graph = writer.graph
    blocks = find_blocks(graph)
    last = {block.between.end.op.index: block for block in blocks if block.between.end.op}
    inside = {op.index for block in blocks for op in block.between.ops}
    for op in reversed(graph.ops):
        if op.index in last and _undo(writer, last[op.index]):
            continue
        if op.index not in inside:
            writer.undo(op)
    return writer.written


def _undo(writer: Writer, block: Block) -> bool:
    """Write one block."""
    graph, between = writer.graph, block.between
    op = between.end.op
    assert op is not None
    graph.reads[op.index] = graph.reads[op.index] | {
        id(v.tensor): v for v in (between.start, *between.others)
    }
    for tensor in tensors_in(tuple(block.values.values())):
        graph.reads[op.index].setdefault(id(tensor), Value(tensor, between.start.at))
    d = [writer.gradient(v) for v in graph.made[op.index]]
    if all(own is None for own in d):
        return True
    ends = [writer.names.stem(v) for v in (between.start, between.end) if v.bind is not None]
    writer.say(f"{' to '.join(ends)}: {block.name}, in closed form")
    try:
        own = [s for o in between.ops if (s := graph.statement(o)) is not None]
        values = dict(block.values)
        for share in writer.composer.applied(op, block.name, values, block.forms, d, own):
            writer.give(share)
    except NoRule as why:
        writer.miss(op, why)
    writer.inside |= {
        id(v) for o in between.ops for v in graph.made[o.index] if v is not between.end
    }
    return True


def find_blocks(graph: Graph) -> list[Block]:
    """Return the blocks, the largest first, none of which shares an operation with another."""
    found: list[Block] = []
    taken: set[int] = set()
    for block in _candidates(graph):
        own = {op.index for op in block.between.ops}
        if not own & taken:
            found.append(block)
            taken |= own
    return found


def _candidates(graph: Graph) -> Iterator[Block]:
    numbers = [op.index for op in graph.ops]
    starts = [v for v in graph.values if v.live and v.bind is not None and v.tensor.dim() >= 2]
    ends = [v for v in graph.values if v.live and v.op is not None]
    for start in starts:
        for end in reversed(ends):
            far = bisect(numbers, end.at) - bisect(numbers, start.at)
            if not 0 < far <= MANY_OPS or (end.bind is None and end is not graph.output()):
                continue
            for recognise in RECOGNISED:
                if _may_be(recognise, start, end) and (between := _between(graph, start, end)):
                    block = recognise(graph, between)
                    if block is not None:
                        yield block


def _may_be(recognise: Any, start: Value, end: Value) -> bool:
    if recognise is _cross_entropy:
        return end.tensor.dim() == 0 and start.tensor.dim() == 2
    return end.tensor.shape == start.tensor.shape


def _between(graph: Graph, start: Value, end: Value) -> Between | None:
    """Return what lies between, if nothing of it is used elsewhere and no more than gain and bias
    come in."""
    reached, ops = {id(start)}, []
    for op in graph.ops:
        if start.at <= op.index < end.at and any(
            id(v) in reached for v in graph.reads[op.index].values()
        ):
            ops.append(op)
            reached |= {id(v) for v in graph.made[op.index] if v.live}
    wanted, kept = {id(end)}, []
    for op in reversed(ops):
        if any(id(v) in wanted for v in graph.made[op.index]):
            kept.append(op)
            wanted |= {id(v) for v in graph.reads[op.index].values() if v.live}
    if id(start) not in wanted or id(end) not in reached or not kept:
        return None
    own = {op.index for op in kept}
    made = {id(v) for op in kept for v in graph.made[op.index]}
    others: dict[int, Value] = {}
    for op in kept:
        for value in graph.reads[op.index].values():
            if value.live and value is not start and id(value) not in made:
                others[id(value)] = value
        for value in graph.made[op.index]:
            live = [u for u in graph.users.get(id(value), ()) if _is_live(graph, u)]
            if value is not end and any(u.index not in own for u in live):
                return None
    if len(others) > 2 or any(v.tensor.numel() > start.tensor.numel() for v in others.values()):
        return None
    return Between(start, end, tuple(reversed(kept)), tuple(others.values()))


def _is_live(graph: Graph, op: Op) -> bool:
    return any(v.live for v in graph.made[op.index])


def _held(graph: Graph, value: Value) -> Tensor:
    return graph.forward.trace.at(value.tensor, max(value.at, 0)).detach().double()


def _alike(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape:
        return False
    return bool((a - b).abs().max() <= ALIKE * b.abs().max()) if a.numel() else False


def _cross_entropy(graph: Graph, between: Between) -> Block | None:
    """softmax, logarithm, the targets' entries, their mean or sum."""
    if between.others or len(between.ops) < 2:
        return None
    logits, loss = _held(graph, between.start), _held(graph, between.end)
    rows, wide = logits.shape
    for target in _integers(graph, between):
        if target.dtype != torch.int64 or target.shape != (rows,):
            continue
        if rows == 0 or int(target.min()) < 0 or int(target.max()) >= wide:
            continue
        for reduction in ("mean", "sum"):
            own = torch.nn.functional.cross_entropy(logits, target, reduction=reduction)
            if _alike(own, loss):
                given = {"input": between.start.tensor, "target": target, "reduction": reduction}
                rest = {"weight": None, "ignore_index": -100, "label_smoothing": 0.0}
                return Block("softmax_cross_entropy", between, {**given, **rest},
                             RULES["cross_entropy"].forms)  # fmt: skip
    return None


def _integers(graph: Graph, between: Between) -> list[Tensor]:
    """Return the whole numbers that the block reads, and what they are views of (`y[:, None]`)."""
    seen = {id(t): t for op in between.ops for t in op.inputs if t.dtype == torch.int64}
    for tensor in list(seen.values()):
        made = graph.producer(Value(tensor, between.start.at))
        if made is not None:
            seen |= {id(t): t for t in made.inputs if t.dtype == torch.int64}
    return list(seen.values())


def _normalisation(graph: Graph, between: Between) -> Block | None:
    """Less the mean, over the root of the variance; times gain, plus bias where they are there."""
    if len(between.ops) < 4:
        return None
    x, out = _held(graph, between.start), _held(graph, between.end)
    for name, dims in (("batchnorm", tuple(range(x.dim() - 1))), ("layernorm", (-1,))):
        count = x[..., 0].numel() if name == "batchnorm" else x.shape[-1]
        if count < 2:
            continue
        for correction in (0, 1):
            for eps in _epsilons(between):
                rstd = (x.var(dims, correction=correction, keepdim=True) + eps) ** -0.5
                xhat = (x - x.mean(dims, keepdim=True)) * rstd
                values = _affine(graph, between, xhat, out)
                if values is not None:
                    found = _Known(name, dims, correction, eps, xhat, rstd)
                    return _normalised(graph, between, values, found)
    return None


@dataclass(frozen=True)
class _Known:
    """A normalisation that gives what was recorded."""

    name: str
    dims: tuple[int, ...]
    correction: int
    eps: float
    xhat: Tensor
    rstd: Tensor


def _epsilons(between: Between) -> list[float]:
    given = [a for op in between.ops for a in (*op.args, *op.kwargs.values())
             if isinstance(a, float) and 0 < a < LARGEST_EPS]  # fmt: skip
    return [*dict.fromkeys(given), 0.0]


def _affine(graph: Graph, between: Between, xhat: Tensor, out: Tensor) -> dict[str, Tensor] | None:
    """Return gain and bias by name where the block is `gain * xhat + bias`."""
    others = between.others
    for order in permutations(others):
        for names in _ROLES[len(others)]:
            given = dict(zip(names, order, strict=True))
            own = xhat
            if "gain" in given:
                own = own * _held(graph, given["gain"])
            if "bias" in given:
                own = own + _held(graph, given["bias"])
            if _alike(own, out):
                return {name: value.tensor for name, value in given.items()}
    return None


_ROLES: dict[int, list[tuple[str, ...]]] = {
    0: [()],
    1: [("gain",), ("bias",)],
    2: [("gain", "bias")],
}


def _normalised(
    graph: Graph, between: Between, affine: Mapping[str, Tensor], known: _Known
) -> Block:
    """The closed form, in the names that the steps have where they have some."""
    dims = known.dims[0] if len(known.dims) == 1 else known.dims
    keep = "" if known.name == "batchnorm" and len(known.dims) == 1 else ", keepdim=True"
    values: dict[str, Any] = {"input": between.start.tensor, **affine}
    forms: dict[str, Any] = {}
    xhat = _step(graph, between, known.xhat)
    rstd = _step(graph, between, known.rstd)
    if rstd is None:
        settings = f"{dims}, correction={known.correction}, keepdim=True"
        var = f"input.var({settings})"
        forms["$rstd"] = f"({var} + {known.eps!r}) ** -0.5" if known.eps else f"{var} ** -0.5"
    else:
        values["rstd"] = rstd
    if xhat is None:
        forms["$xhat"] = f"(input - input.mean({dims}, keepdim=True)) * rstd"
    else:
        values["xhat"] = xhat
    scaled, dxhat = "rstd", "d"
    if "gain" in affine and known.name == "batchnorm":
        scaled = "gain * rstd"  # the same down a column: it may as well be outside
    elif "gain" in affine:
        forms["$dxhat"], dxhat = "gain * d", "dxhat"

    def decide(c: Any) -> Forms:
        n = c.number(_count(c["input"], known), _counted(known))
        less = f"({n} - {known.correction})"
        bessel = f"{n} / {less} * " if known.correction else ""
        forms["input"] = (
            f"{scaled} / {n} * ({n} * {dxhat} - {dxhat}.sum({dims}{keep})"
            f" - {bessel}xhat * ({dxhat} * xhat).sum({dims}{keep}))"
        )
        forms["gain"], forms["bias"] = "xhat * d", "d"
        return forms

    return Block(known.name, between, values, decide)


def _count(x: Tensor, known: _Known) -> int:
    return x.shape[-1] if known.name == "layernorm" else x[..., 0].numel()


def _counted(known: _Known) -> str | None:
    if known.name == "layernorm":
        return "input.shape[-1]"
    return "input.shape[0]" if len(known.dims) == 1 else None


def _step(graph: Graph, between: Between, value: Tensor) -> Tensor | None:
    """Return the step inside the block that holds this value, if it has a name."""
    for op in between.ops:
        for made in graph.made[op.index]:
            named = made.bind is not None and made is not between.end and made.until is None
            if named and _alike(_held(graph, made), value):
                return made.tensor
    return None


RECOGNISED: tuple[Callable[[Graph, Between], Block | None], ...] = (_cross_entropy, _normalisation)
