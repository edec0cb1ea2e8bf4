"""What each gradient by hand is computed from: memory of the forward passes, other gradients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from handgrad.checker.pairs.hands import Definition
from handgrad.checker.pairs.naming import Naming
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.record.trace import Bind, Op, Trace, key_of

_BLANKS = {"zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like",
           "new_zeros", "new_ones", "new_full", "new_empty"}  # fmt: skip
"""Operations that read no number of the tensor that they are given."""


@dataclass(frozen=True, eq=False)
class Flow:
    """What one definition is computed from: memory of the forward passes, other definitions."""

    touched: set[int] = field(default_factory=set)
    reads: set[int] = field(default_factory=set)


def flows_of(
    definitions: Sequence[Definition], trace: Trace, passes: Sequence[ForwardPass], naming: Naming
) -> dict[int, Flow]:
    """Follow the data from the forward passes to the gradients by hand."""
    forward = {e.index for p in passes for e in p.events if type(e) is Op}
    memory = {key for p in passes for key in (*p.made, *p.leaves)}
    owner = {b.index: d.number for d in definitions for b in d.binds}
    flows = {d.number: Flow() for d in definitions}
    sources: dict[int, set[int]] = {}
    finished: dict[int, set[int]] = {}
    for event in trace.events:
        if type(event) is Op and event.index not in forward:
            blank = getattr(event.func, "__name__", "") in _BLANKS
            keys = set() if blank else {key_of(t) for t in event.inputs}
            read = {s for k in keys for s in sources.get(k, {k} & memory)}
            hands = {n for k in keys for n in finished.get(k, ())}
            for key in {key_of(t) for t in event.outputs} - memory:  # an updated parameter
                sources[key] = sources.get(key, set()) | read
                finished[key] = finished.get(key, set()) | hands
        elif type(event) is Bind and event.index in owner:
            number, key = owner[event.index], key_of(event.value)
            flows[number].touched.update(sources.get(key, ()))
            flows[number].reads.update(finished.get(key, set()) - {number})
            if naming.has_node(event):
                sources[key], finished[key] = set(), {number}
    return flows


def without_blanks(
    definitions: Sequence[Definition], flows: Mapping[int, Flow], trace: Trace
) -> list[Definition]:
    """Leave out zeros that another definition of the name replaced before anything read them."""
    read = {n for flow in flows.values() for n in flow.reads}
    last = {_place(d): d.number for d in definitions}
    return [
        d
        for d in definitions
        if last[_place(d)] == d.number or d.number in read or _has_values(d, trace)
    ]


def _has_values(definition: Definition, trace: Trace) -> bool:
    final = definition.final()
    return bool(trace.at(final.value, final.index).detach().any())


def discarded(
    definitions: Sequence[Definition], trace: Trace, flows: Mapping[int, Flow]
) -> list[list[Definition]]:
    """Return the gradients that a loop computes again and again for nothing.

    There were zeros under the name, and nothing read a value before the next one replaced it:
    `+=` was meant.
    """
    loops: dict[tuple[str, str], list[list[Definition]]] = {}
    for definition in definitions:
        if not definition.final().value.any():
            loops.setdefault(_place(definition), []).append([])
        elif _place(definition) in loops:
            loops[_place(definition)][-1].append(definition)
    return [
        loop
        for found in loops.values()
        for loop in found
        if len(loop) > 1
        and len({d.final().statement for d in loop}) == 1
        and not _is_read(loop[:-1], trace, flows)
    ]


def _is_read(definitions: Sequence[Definition], trace: Trace, flows: Mapping[int, Flow]) -> bool:
    numbers = {d.number for d in definitions}
    if any(numbers & flow.reads for flow in flows.values()):
        return True
    made = {key_of(d.final().value): d.final().index for d in definitions}
    return any(
        event.index > made.get(key_of(t), event.index)
        for event in trace.of(Op)
        for t in event.inputs
    )


def _place(definition: Definition) -> tuple[str, str]:
    return definition.name, definition.binds[0].statement.function


def groups(
    definitions: Sequence[Definition],
    flows: Mapping[int, Flow],
    together: Sequence[Sequence[Definition]] = (),
) -> list[list[Definition]]:
    """Return the definitions in groups that read each other, or are one loop's of `together`."""
    group = {d.number: [d] for d in definitions}
    same = {d.number: [e.number for e in loop] for loop in together for d in loop}
    for definition in definitions:
        for number in [*flows[definition.number].reads, *same.get(definition.number, ())]:
            mine, other = group[definition.number], group.get(number, [])
            if other and mine is not other:  # zeros before any loss are in no group
                mine += other
                group |= {d.number: mine for d in other}
    return list({id(g): sorted(g, key=lambda d: d.number) for g in group.values()}.values())


def accumulates(
    definition: Definition, flows: Mapping[int, Flow], passes: Sequence[ForwardPass]
) -> bool:
    """Tell whether a gradient is built up in several statements from several of the passes."""
    flow = flows[definition.number]
    touched = flow.touched.union(*(flows[n].touched for n in flow.reads))
    return len(definition.binds) > 1 and sum(bool(touched & p.made) for p in passes) > 1


def covering(made: Mapping[ForwardPass, set[int]]) -> list[ForwardPass]:
    """Return few passes which together computed what any of them did, in program order."""
    left = set().union(*made.values())
    chosen: list[ForwardPass] = []
    while left:
        best = max(made, key=lambda p: (len(made[p] & left), p.end))
        chosen.append(best)
        left -= made[best]
    return sorted(chosen, key=lambda p: p.end)
