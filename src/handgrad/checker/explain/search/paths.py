"""A gradient as a sum of terms: the direct one, and one through each statistic.

A node that is normalised affects the result directly and through the statistics that are computed
from it: mean, variance, maximum, the sum that a softmax divides by. The forward pass is run again
with statistics held constant, one fewer each time; the differences are the terms of the closed
forms:

    batchnorm   dx = gain * rstd / n
                     * (n * dout - dout.sum(0) - n/(n-1) * xhat * (dout * xhat).sum(0))
    softmax     dx = p * dp - p * (p * dp).sum(1, keepdim=True)
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.explain.search.once import once
from handgrad.checker.explain.search.shares import op_name
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.passes.replay import Replay
from handgrad.checker.record.trace import Bind, Op, tensors_in
from handgrad.checker.write.decompose import DECOMPOSED

StatisticKey = tuple[int, str]
"""A statistic: the index of its operation, and its name inside that operation ("" for all)."""
MOST = 4
"""Largest number of statistics for one gradient: each costs one run of the forward pass."""

_WORDS = {
    "mean": "mean", "sum": "sum", "var": "variance", "std": "standard deviation", "max": "maximum",
    "amax": "maximum", "min": "minimum", "amin": "minimum", "norm": "norm", "prod": "product",
    "vector_norm": "norm", "logsumexp": "logsumexp",
}  # fmt: skip


@dataclass(frozen=True)
class Term:
    """One term of a gradient. `name` is the name of the statistic; "" for the direct term."""

    name: str
    node: Bind | None
    """The statistic, if the user named it."""
    value: Tensor


@dataclass(frozen=True)
class _Statistic:
    key: StatisticKey
    name: str
    node: Bind | None
    single: bool
    """Whether it is one number for the whole tensor."""


@once
def terms(suspect: Suspect) -> tuple[Term, ...]:
    """Return the direct term, then that of each statistic; () if there are no statistics.

    Their sum is the true gradient.
    """
    statistics = [s for s in _statistics(suspect) if not _is_all(suspect, s)][: MOST + 1]
    whole = suspect.forward.truth[suspect.node.index]
    if not statistics or len(statistics) > MOST:
        return ()
    held = [s.key for s in statistics]
    direct = before = _gradient(suspect, held)
    if direct is None or before is None:
        return ()
    noise = 1e-9 * whole.abs().max()
    others: list[Term] = []
    for i in reversed(range(len(statistics))):  # the last first: past a sum a maximum is no term
        statistic, after = statistics[i], _gradient(suspect, held[:i]) if i else whole
        if after is None or after.shape != before.shape:
            return ()
        if bool(((after - before).abs() > noise).any()):
            others.insert(0, Term(statistic.name, statistic.node, after - before))
        before = after
    if not others or not bool((direct.abs() > noise).any()):
        return ()
    return (Term("", None, direct), *others)


def _is_all(suspect: Suspect, statistic: _Statistic) -> bool:
    """Tell whether the whole gradient goes through a statistic, as through a mean loss."""
    if not statistic.single:
        return False
    rest = _gradient(suspect, [statistic.key])
    return rest is None or not bool(rest.any())


def _gradient(suspect: Suspect, held: Sequence[StatisticKey]) -> Tensor | None:
    """Return the node's gradient with statistics held constant; None if the replay fails."""
    replay = _Holding(suspect, held)
    replay.run(suspect.forward.events)
    return gradient_in(suspect, replay)


def gradient_in(suspect: Suspect, replay: Replay) -> Tensor | None:
    """Return the node's gradient in a run of the forward pass, None if an operation failed."""
    forward, edge = suspect.forward, replay.edges.get(suspect.node.index)
    if replay.failures or edge is None:
        return None
    try:
        outputs = [replay.get(t, forward.end) for t in forward.outputs]
        seeds = [None if s is None else replay.get(s, forward.end).detach() for s in forward.seeds]
        gradient = torch.autograd.grad(outputs, [edge], seeds, allow_unused=True)[0]
    except RuntimeError:
        return None
    return gradient if gradient is not None else torch.zeros_like(suspect.right)


def _statistics(suspect: Suspect) -> Iterable[_Statistic]:
    """Yield the reductions between the node and the tensors whose gradients the line reads."""
    forward, node = suspect.forward, suspect.node
    reads = {id(hand.node.value) for hand in suspect.reads if hand.node is not None}
    ends = {id(t) for t in forward.outputs} | reads
    names = {id(b.value): b for b in forward.nodes() if b.kind != "param"}
    downstream = {id(node.value)}
    for event in forward.events:
        if type(event) is not Op or event.index < node.index:
            continue
        inputs = [t for t in event.inputs if id(t) in downstream]
        if not inputs:
            continue
        downstream |= {id(t) for t in event.outputs} - ends
        func = op_name(event)
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
                continue  # a sum for the loss, by which nothing is divided
            yield _Statistic((event.index, ""), name, named, single)


def _spreads(suspect: Suspect, op: Op) -> bool:
    """Tell whether a larger tensor is computed from the result of an operation."""
    downstream, size = {id(t) for t in op.outputs}, max(t.numel() for t in op.outputs)
    for event in suspect.forward.events:
        if type(event) is Op and event.index > op.index:
            if not any(id(t) in downstream for t in event.inputs):
                continue
            if any(t.numel() > size for t in event.outputs):
                return True
            downstream |= {id(t) for t in event.outputs}
    return False


def _named(suspect: Suspect, op: Op, names: dict[int, Bind]) -> Bind | None:
    """Return the named tensor that holds the statistic, perhaps scaled."""
    sizes = {id(t): t.numel() for t in op.outputs if t.is_floating_point()}
    largest = max(sizes.values(), default=0)
    for event in suspect.forward.events:
        if type(event) is Bind and id(event.value) in sizes and id(event.value) in names:
            return names[id(event.value)]
        if (
            type(event) is Op
            and event.index > op.index
            and any(id(t) in sizes for t in event.inputs)
        ):
            sizes |= {id(t): largest for t in event.outputs if t.numel() <= largest}
    return None


class _Holding(Replay):
    """A forward pass in float64 in which statistics are held constant."""

    def __init__(self, suspect: Suspect, held: Collection[StatisticKey]) -> None:
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
        decomposition = DECOMPOSED.get(op_name(op))
        if decomposition is None:
            results = [t.detach() for t in tensors_in(super()._call(op))]
            return results if isinstance(op.result, tuple | list) else results[0]

        def hold(name: str, statistic: Tensor) -> Tensor:
            return statistic.detach() if name in parts else statistic

        args, kwargs = self._map(op.args, op, set()), self._map(op.kwargs, op, set())
        with torch.enable_grad():
            return decomposition.run(hold, *args, **kwargs)
