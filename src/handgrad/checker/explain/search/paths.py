"""A gradient as the sum of what comes by each path: the direct one, and one by each statistic.

A node that is normalised reaches the result by itself and by the statistics that are computed from
it: mean, variance, maximum, the sum that a softmax divides by. The forward pass is run again with
statistics held constant, one fewer each time; the differences are the terms of the closed forms:

    batchnorm   dx = gain * rstd / n
                     * (n * dout - dout.sum(0) - n/(n-1) * xhat * (dout * xhat).sum(0))
    softmax     dx = p * dp - p * (p * dp).sum(1, keepdim=True)
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.passes.replay import Replay
from handgrad.checker.record.trace import Bind, Op, tensors_in
from handgrad.checker.write.decompose import DECOMPOSED

Held = tuple[int, str]
"""A statistic held constant: the index of the operation, and which of its statistics ("": all)."""
MOST = 4
"""Statistics on the way of one gradient: each costs one more run of the forward pass."""

_WORDS = {
    "mean": "mean", "sum": "sum", "var": "variance", "std": "standard deviation", "max": "maximum",
    "amax": "maximum", "min": "minimum", "amin": "minimum", "norm": "norm", "prod": "product",
    "vector_norm": "norm", "logsumexp": "logsumexp",
}  # fmt: skip


@dataclass(frozen=True)
class Term:
    """What comes by one path. `name` is the statistic's; "" for the direct path."""

    name: str
    node: Bind | None
    """The statistic where it has a name."""
    value: Tensor


@dataclass(frozen=True)
class _Statistic:
    held: Held
    name: str
    node: Bind | None
    single: bool
    """Whether it is one number for the whole tensor."""


def terms(suspect: Suspect) -> tuple[Term, ...]:
    """Return the direct term first, then that of each statistic; empty where there is none.

    Their sum is the true gradient.
    """
    found = [s for s in _statistics(suspect) if not _is_all(suspect, s)][: MOST + 1]
    whole = suspect.forward.truth[suspect.node.index]
    if not found or len(found) > MOST:
        return ()
    made: list[Term] = []
    held = [s.held for s in found]
    before = _gradient(suspect, held)
    if before is None:
        return ()
    made.append(Term("", None, before))
    for i in reversed(range(len(found))):  # the last first: past a sum, a maximum has no effect
        statistic, after = found[i], _gradient(suspect, held[:i]) if i else whole
        if after is None or after.shape != before.shape:
            return ()
        if bool(((after - before).abs() > 1e-9 * whole.abs().max()).any()):
            made.insert(1, Term(statistic.name, statistic.node, after - before))
        before = after
    direct = bool((made[0].value.abs() > 1e-9 * whole.abs().max()).any())
    return tuple(made) if direct and len(made) > 1 else ()


def _is_all(suspect: Suspect, statistic: _Statistic) -> bool:
    """Tell whether all that the result depends on goes through it, as through a mean loss."""
    if not statistic.single:
        return False
    left = _gradient(suspect, [statistic.held])
    return left is None or not bool(left.any())


def _gradient(suspect: Suspect, held: Sequence[Held]) -> Tensor | None:
    """Return the node's gradient with these statistics held constant; None where none comes."""
    forward = suspect.forward
    replay = _Holding(suspect, held)
    replay.run(forward.events)
    edge = replay.edges.get(suspect.node.index)
    if replay.failures or edge is None:
        return None
    try:
        own = [replay.get(t, forward.end) for t in forward.outputs]
        given = [None if s is None else replay.get(s, forward.end).detach() for s in forward.seeds]
        found = torch.autograd.grad(own, [edge], given, allow_unused=True)[0]
    except RuntimeError:
        return None
    return found if found is not None else torch.zeros_like(suspect.right)


def _statistics(suspect: Suspect) -> Iterable[_Statistic]:
    """Yield what is reduced from the node on its way to the gradients that the line reads."""
    forward, node = suspect.forward, suspect.node
    reads = {id(h.node.value) for h in suspect.backward.hands.values()
             if h.number in suspect.grade.reads and h.node is not None}  # fmt: skip
    ends = {id(t) for t in forward.outputs} | reads
    made, names = {id(node.value)}, {id(b.value): b for b in forward.nodes() if b.kind != "param"}
    for event in forward.events:
        if type(event) is not Op or event.index < node.index:
            continue
        inputs = [t for t in event.inputs if id(t) in made]
        if not inputs:
            continue
        made |= {id(t) for t in event.outputs} - ends
        func = getattr(event.func, "__name__", "")
        largest = max(t.numel() for t in inputs)
        small = all(t.numel() < largest for t in event.outputs if t.is_floating_point())
        if func in DECOMPOSED:
            for part in DECOMPOSED[func].statistics:
                name = f"the {_WORDS[part]} in {func}"
                yield _Statistic((event.index, part), name, None, False)
        elif func in _WORDS and small and not any(id(t) in ends for t in event.outputs):
            named = _named(suspect, event, names)
            source = names.get(id(inputs[0]))
            of = f" of {source.name}" if source is not None else ""
            name = named.name if named is not None else f"the {_WORDS[func]}{of}"
            single = all(t.numel() == 1 for t in event.outputs)
            if single and not _spreads(suspect, event):
                continue  # it is summed up for the loss, and nothing is divided by it
            yield _Statistic((event.index, ""), name, named, single)


def _spreads(suspect: Suspect, op: Op) -> bool:
    """Tell whether what it gives goes into anything larger."""
    made, size = {id(t) for t in op.outputs}, max(t.numel() for t in op.outputs)
    for event in suspect.forward.events:
        if type(event) is Op and event.index > op.index:
            if not any(id(t) in made for t in event.inputs):
                continue
            if any(t.numel() > size for t in event.outputs):
                return True
            made |= {id(t) for t in event.outputs}
    return False


def _named(suspect: Suspect, op: Op, names: dict[int, Bind]) -> Bind | None:
    """Return the node that the statistic goes by, maybe after a scaling."""
    made = {id(t): t.numel() for t in op.outputs if t.is_floating_point()}
    size = max(made.values(), default=0)
    for event in suspect.forward.events:
        if type(event) is Bind and id(event.value) in made and id(event.value) in names:
            return names[id(event.value)]
        if (
            type(event) is Op
            and event.index > op.index
            and any(id(t) in made for t in event.inputs)
        ):
            made |= {id(t): size for t in event.outputs if t.numel() <= size}
    return None


class _Holding(Replay):
    """A forward pass in float64 in which statistics are held constant."""

    def __init__(self, suspect: Suspect, held: Collection[Held]) -> None:
        forward = suspect.forward
        super().__init__(
            forward.trace,
            forward.leaves,
            grad=True,
            always_grad=forward.backward is None,
            start=forward.start,
        )
        self._held = held

    def _call(self, op: Op) -> Any:
        parts = {part for index, part in self._held if index == op.index}
        if not parts:
            return super()._call(op)
        decomposition = DECOMPOSED.get(getattr(op.func, "__name__", ""))
        if decomposition is None:
            results = [t.detach() for t in tensors_in(super()._call(op))]
            return results if isinstance(op.result, tuple | list) else results[0]

        def hold(name: str, statistic: Tensor) -> Tensor:
            return statistic.detach() if name in parts else statistic

        args, kwargs = self._map(op.args, op, set()), self._map(op.kwargs, op, set())
        with torch.enable_grad():
            return decomposition.run(hold, *args, **kwargs)
