"""Whose gradient a tensor is by the update that takes it: `p -= lr * g` makes g that of p."""

from dataclasses import replace

from torch import Tensor

from handgrad.checker.pairs.calls import CallLeads, Node
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.record.call import Unnamed, Update
from handgrad.checker.record.trace import Bind, Op, Trace, key_of, needed


def with_updates(trace: Trace, leads: CallLeads) -> CallLeads:
    """Return the leads with those of updates; steps whose gradient has no name get one."""
    named = {id(b.value) for b in trace.of(Bind)}
    unnamed = {id(e.value): e for e in trace.events if type(e) is Unnamed}
    nodes = dict(leads.nodes)
    for event in trace.of(Update):
        step, taken = event.levels[0], next((t for t in event.levels if id(t) in named), None)
        if taken is None and id(step) in unnamed:
            _name(trace, unnamed[id(step)])
            nodes[id(step)] = Node(event.parameter, None, event.factor)
        elif taken is not None and event.descends and taken.shape == event.parameter.shape:
            nodes.setdefault(id(taken), Node(event.parameter, None))
    return replace(leads, nodes=nodes)


def keeps_state(forward: ForwardPass, value: Tensor, until: int) -> bool:
    """Tell whether a tensor is computed from one of an earlier step: a velocity, a moment."""
    events = forward.trace.events[: until + 1]
    inside = {key_of(t) for e in forward.events if type(e) is Op for t in (*e.inputs, *e.outputs)}
    ops = needed(events, [value], inside | forward.leaves)
    return any(
        op.index < forward.start and any(t.numel() > 1 and t.is_floating_point() for t in op.outputs)
        for op in ops
        if not _is_forward(op, inside)
    )


def _is_forward(op: Op, inside: set[int]) -> bool:
    return any(key_of(t) in inside for t in op.outputs)


def _name(trace: Trace, unnamed: Unnamed) -> None:
    index, statement = unnamed.index, unnamed.statement
    if index < len(trace.events) and trace.events[index] is unnamed:
        trace.events[index] = Bind(
            index, unnamed.name, unnamed.value, "result", statement, None, False, unnamed.scope,
            unnamed.call,
        )  # fmt: skip
