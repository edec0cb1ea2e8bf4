"""Where forward passes are: each loss of a trace, and the operations that lead to it."""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import torch
from torch import Tensor

from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.passes.leaves import leaves_of
from handgrad.checker.passes.steps import changed_elsewhere, parts_of, view_of
from handgrad.checker.record.call import Update
from handgrad.checker.record.gradient_names import LIKELY
from handgrad.checker.record.trace import Backward, Bind, Event, Op, Trace, key_of, needed

LOSSES = re.compile(r"loss|cost|nll|mse|error|entropy|objective|\bj\b")
"""Names of losses. One of them may still not be the loss that the gradients follow from."""
MOST_NUMBERS = 64
"""So many numbers are tried as losses where none has such a name."""


def find_passes(trace: Trace, hands: Mapping[str, str]) -> list[ForwardPass]:
    """Return the forward pass of each loss, in program order.

    A loss is what backward() was called on, or a number with a name such as `loss`. `hands` maps
    the names of gradients by hand to their nodes: where no tensor requires a gradient, these nodes
    are the leaves.
    """
    passes: dict[tuple[int, ...], ForwardPass] = {}
    for event in trace.of(Backward):
        key = tuple(id(t) for t in event.outputs)
        if key not in passes and event.gradients:
            forward = make_pass(trace, event.outputs, event.seeds, event, hands)
            if forward is not None:
                passes[key] = forward
    for bind in trace.of(Bind):
        if (id(bind.value),) not in passes and _is_loss(bind):
            forward = make_pass(trace, (bind.value,), (None,), None, hands)
            if forward is not None:
                passes[(id(bind.value),)] = forward
    if not passes:
        passes = {(id(p.outputs[0]),): p for p in last_numbers(trace, hands)}
    return sorted(passes.values(), key=lambda p: p.end)


def last_numbers(
    trace: Trace, hands: Mapping[str, str], but: Set[int] = frozenset()
) -> list[ForwardPass]:
    """Return the passes of the numbers that no other number is computed from, whatever their names.

    For files without a tensor named loss. Numbers without any name count where none has one. `but`
    are the ids of numbers that do not count.
    """
    named = [b.value for b in trace.of(Bind) if is_number(b)]
    computed = [t for e in trace.of(Op) if e.inputs for t in e.outputs
                if t.dim() == 0 and t.is_floating_point()]  # fmt: skip
    for numbers in (named, computed):
        distinct = list({id(t): t for t in numbers if id(t) not in but}.values())
        if len(distinct) > MOST_NUMBERS:
            distinct = [*distinct[: MOST_NUMBERS // 2], *distinct[-MOST_NUMBERS // 2 :]]
        made = [make_pass(trace, (t,), (None,), None, hands) for t in distinct]
        passes = [p for p in made if p is not None]
        inner = {id(t) for p in passes for e in p.events if type(e) is Op
                 for t in e.inputs if t is not p.outputs[0]}  # fmt: skip
        last = [p for p in passes if id(p.outputs[0]) not in inner]
        if last:
            return last
    return []


def make_pass(
    trace: Trace,
    outputs: tuple[Tensor, ...],
    seeds: tuple[Tensor | None, ...],
    backward: Backward | None,
    hands: Mapping[str, str],
) -> ForwardPass | None:
    """Return the pass that leads to `outputs`, or None where nothing recorded does."""
    limit = backward.index if backward is not None else len(trace)
    wanted = {id(t) for t in outputs}
    makers = [
        e.index
        for e in trace.events[:limit]
        if type(e) is Op and any(id(t) in wanted for t in e.outputs)
    ]
    if not makers:
        return None
    end = makers[-1]
    parts = {i for t in outputs for i in parts_of(trace.events, t, end)} | {end}
    maker = _Maker(trace, outputs, seeds, backward, hands, end)
    whole = maker.made(parts)
    if whole is None or len(parts) == 1 or not _mixes_steps(whole, hands):
        return whole
    return maker.made({end})  # a total over steps of training: only the last step counts


@dataclass(frozen=True)
class _Maker:
    """What a pass is made from, apart from what it sees of the trace."""

    trace: Trace
    outputs: tuple[Tensor, ...]
    seeds: tuple[Tensor | None, ...]
    backward: Backward | None
    hands: Mapping[str, str]
    end: int

    def made(self, parts: set[int]) -> ForwardPass | None:
        """Return the pass that sees the steps which hold `parts`."""
        view, end = view_of(self.trace, parts), self.end
        history = view.events[_after_barrier(self.trace, end) : end + 1]
        changed = changed_elsewhere(self.trace, view, end)
        known = [e for e in self.trace.events[: end + 1] if type(e) is Bind]
        moved = {key_of(e.parameter) for e in self.trace.of(Update)}
        leaves, asked = leaves_of(history, self.outputs, self.hands, set(changed), known, moved)
        ops = needed(history, self.outputs, leaves | changed.keys())
        live = _live(ops, leaves)
        if not live:
            return None
        start = live[0].index
        floats = {t.dtype for op in live for t in op.outputs if t.is_floating_point()}
        eps = max((torch.finfo(d).eps for d in floats), default=torch.finfo(torch.float32).eps)
        view = _with_names(self.trace, view, live)
        last = self.backward.index if self.backward is not None else end + 1
        named = {id(t) for t in self.outputs}
        binds = [
            e
            for e in view.events
            if type(e) is Bind and (e.index < last or (id(e.value) in named and e.index == end + 1))
        ]
        # what a name meant before another step wrote to it is not what this step reads
        events: list[Event] = [b for b in binds if b.index > changed.get(key_of(b.value), -1)]
        events += [op for op in ops if op.index >= start]
        events.sort(key=lambda e: e.index)
        outputs, seeds = self.outputs, self.seeds
        if asked is not None:
            asked |= {key_of(t) for op in _live(ops, asked) for t in op.outputs}
        return ForwardPass(
            view, outputs, seeds, end, self.backward, leaves, events, start, eps, asked
        )


def _with_names(trace: Trace, view: Trace, ops: Sequence[Op]) -> Trace:
    """Return the view with the names that other steps gave to what these operations read."""
    if view is trace:
        return view
    read = {id(t) for op in ops for t in op.inputs}
    hidden = [
        e
        for e, seen in zip(trace.events, view.events, strict=True)
        if seen is not e
        if type(e) is Bind and id(e.value) in read and e.index < ops[-1].index
    ]
    for bind in hidden:
        view.events[bind.index] = bind
    return view


def merged(trace: Trace, passes: Sequence[ForwardPass]) -> ForwardPass | None:
    """Return one pass for the sum of several losses, of which `trace` is the whole trace.

    None where a tensor that they are differentiated by was changed between them.
    """
    first = passes[0]
    leaves = set().union(*(p.leaves for p in passes))
    events = {e.index: e for p in passes for e in p.events}
    ordered = [events[i] for i in sorted(events)]
    made = {key_of(t) for e in ordered if type(e) is Op for t in e.outputs}
    whole = ForwardPass(
        view_of(trace, {p.end for p in passes}),
        tuple(t for p in passes for t in p.outputs),
        tuple(s for p in passes for s in p.seeds),
        max(p.end for p in passes),
        None,
        leaves,
        ordered,
        min(p.start for p in passes),
        max(p.eps for p in passes),
        None if first.asked is None else frozenset().union(*(p.asked or () for p in passes)),
    )
    if any(p.leaves != first.leaves for p in passes) and leaves & made:
        return None
    return None if _is_updated(whole) else whole


def _mixes_steps(whole: ForwardPass, hands: Mapping[str, str]) -> bool:
    """Tell whether a loss was computed from tensors that its own gradients had updated."""
    gradients = {
        id(e.value)
        for e in whole.trace.events[: whole.end]
        if type(e) is Bind and e.name in hands and e.kind != "param"
    }
    computed = {id(t) for e in whole.events if type(e) is Op for t in e.outputs}
    return bool(gradients & computed) or _is_updated(whole)


def _is_updated(whole: ForwardPass) -> bool:
    """Tell whether a leaf was written to while the pass ran."""
    events = whole.trace.events[whole.start : whole.end]
    return any(key_of(t) in whole.leaves for e in events if type(e) is Op for t in e.writes)


def _is_loss(bind: Bind) -> bool:
    return is_number(bind) and bool(LOSSES.search(bind.name.lower()))


def is_number(bind: Bind) -> bool:
    """Tell whether it may be a loss: a single number under a name, but not that of a gradient."""
    if bind.value.dim() or not bind.value.is_floating_point() or bind.kind == "param":
        return False
    if bind.kind == "update" and not LOSSES.search(bind.name.lower()):  # bias -= lr * db
        words = re.findall(r"[A-Za-z_]\w*", bind.statement.text)
        return not any(LIKELY.fullmatch(word) for word in words)
    return not LIKELY.fullmatch(bind.name)


def _after_barrier(trace: Trace, index: int) -> int:
    barriers = [e.index for e in trace.events[:index] if type(e).__name__ == "Barrier"]
    return barriers[-1] if barriers else 0


def _live(ops: Sequence[Op], leaves: Set[int]) -> list[Op]:
    """Return the operations that depend on the leaves."""
    live, chosen = set(leaves), []
    for op in ops:
        if any(key_of(t) in live for t in op.inputs):
            chosen.append(op)
            live.update(key_of(t) for t in op.outputs)
    return chosen
