"""Whose gradient a tensor is by the call that made it or that it is passed to.

The function that produced y from x has a counterpart that gets dy and returns dx: a method of the
same object, a function that gets the cache, or one with the counterpart's name. Layers are called
backward in reverse order, so a counterpart belongs to the last call that has none yet.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from torch import Tensor

from handgrad.checker.record.call import Call, Unnamed, floats_in
from handgrad.checker.record.trace import Bind, Op, Trace

BACKWARD = {"back", "backprop", "backward", "backwards", "bprop", "bw", "bwd", "d", "delta", "der",
            "deriv", "derivative", "dx", "grad", "gradient", "gradients", "prime", "vjp"}  # fmt: skip
"""Words in the names of functions that return gradients."""
FORWARD = {"call", "f", "feed", "forward", "forwards", "fprop", "fw", "fwd"}
"""Words in the names of their counterparts that say nothing about what they compute."""


class Node(NamedTuple):
    """A tensor of the forward pass, and the call that got or returned it.

    The call is None for a parameter that an update shows.
    """

    value: Tensor
    call: Call | None
    factor: float | None = None
    """What the gradient is multiplied by in an update that does not name it."""


@dataclass(frozen=True, eq=False)
class CallLeads:
    """`nodes` has the tensor whose gradient a tensor is, by the gradient's id.

    `forwards` has the forward call that belongs to a backward call.
    """

    nodes: Mapping[int, Tensor]
    forwards: Mapping[Call, Call]

    def is_forward(self, call: Call) -> bool:
        """Tell whether the call has a counterpart."""
        return call in self._called

    @cached_property
    def _called(self) -> frozenset[Call]:
        return frozenset(self.forwards.values())

    def forward_of(self, call: Call | None) -> Call | None:
        """Return the forward call that `call`, or the one that it runs in, belongs to."""
        while call is not None:
            if call in self.forwards:
                return self.forwards[call]
            call = call.caller
        return None


def call_leads(trace: Trace) -> CallLeads:
    """Return what the calls in the trace tell; unnamed gradients among the results get names."""
    found = _Leads(trace)
    for call in trace.calls:
        forward = found.forward_of(call)
        if forward is not None:
            found.pair(call, forward)
    return CallLeads(found.nodes, found.forwards)


@dataclass(eq=False)
class _Leads:
    trace: Trace
    nodes: dict[int, Node] = field(default_factory=dict)
    forwards: dict[Call, Call] = field(default_factory=dict)
    taken: set[tuple[int, str]] = field(default_factory=set)
    """The forward calls, by id, that have a counterpart, with its name."""

    def __post_init__(self) -> None:
        self.made = {
            id(t): e.index for e in reversed(self.trace.of(Op)) for t in e.outputs
        }
        """When each tensor was made, by its id."""
        self.named = {
            (id(b.value), b.statement.place)
            for b in self.trace.of(Bind)
            if b.kind in ("assign", "update")
        }
        self.by_owner: dict[int, list[Call]] = {}
        self.by_stem: dict[frozenset[str], list[Call]] = {}
        for call in self.trace.calls:
            if call.owner is not None:
                self.by_owner.setdefault(id(call.owner), []).append(call)
            else:
                self.by_stem.setdefault(_stem(call.name), []).append(call)

    def forward_of(self, call: Call) -> Call | None:
        """Return the forward call that `call` is the counterpart of, if any."""
        likely = [c for c in self._counterparts(call) if self._may_be(call, c)]
        free = [c for c in likely if (id(c), call.function) not in self.taken]
        return next(iter(free or likely), None)

    def _counterparts(self, call: Call) -> Iterator[Call]:
        """Yield the earlier calls that may be the counterpart, the last one first."""
        if call.source is not None:
            yield call.source
        known: Sequence[Call] = ()
        if call.owner is not None:
            known = self.by_owner[id(call.owner)]
        elif _words(call.name) & BACKWARD:
            known = self.by_stem[_stem(call.name)]
        for other in reversed(known):
            earlier = other.end is not None and other.end <= call.begin
            if earlier and other.function != call.function and other is not call.source:
                if call.owner is not None or _share(call, other):
                    yield other

    def _may_be(self, call: Call, forward: Call) -> bool:
        """Tell whether `call` may return gradients of what `forward` got."""
        output = _output(forward)
        if output is None or forward in self.forwards:
            return False
        upstream = self._upstream(call, forward)
        if upstream is None and output.numel() > 1:
            return False
        if _words(call.name) & BACKWARD:
            return True
        shapes = {t.shape for t in _inputs(forward)}
        results = [u.value.shape for u in call.returned]
        return bool(shapes.intersection(results))

    def _upstream(self, call: Call, forward: Call) -> Tensor | None:
        """Return the argument that is the gradient of the forward's output."""
        output = _output(forward)
        for value in call.arguments.values():
            if isinstance(value, Tensor) and output is not None and value.shape == output.shape:
                if self.made.get(id(value), -1) >= (forward.end or 0):
                    return value
        return None

    def pair(self, call: Call, forward: Call) -> None:
        """Note what follows from `call` being the counterpart of `forward`."""
        self.forwards[call] = forward
        self.taken.add((id(forward), call.function))
        output, upstream = _output(forward), self._upstream(call, forward)
        if upstream is not None and output is not None:
            if id(upstream) not in self.nodes:
                self.nodes[id(upstream)] = Node(output, forward)
                for unnamed in call.given:
                    if unnamed.value is upstream:
                        self._name(unnamed)
        for unnamed, node in self._placed(call, forward):
            self.nodes.setdefault(id(unnamed.value), Node(node, forward))
            self._name(unnamed)

    def _placed(self, call: Call, forward: Call) -> list[tuple[Unnamed, Tensor]]:
        """Return the results of `call`, each with the input that it is the gradient of."""
        inputs, results = _inputs(forward), call.returned
        output = _output(forward)
        if output is not None and output.numel() == 1:  # of a loss, not the targets
            computed = [t for t in inputs if id(t) in self.made]
            inputs = [*computed, *(t for t in inputs if id(t) not in self.made)][: len(results)]
        if len(inputs) == len(results) or (inputs and len(results) == 1):
            return list(zip(results, inputs, strict=False))
        first = list(zip(results[:1], inputs[:1], strict=False))
        return [(u, t) for u, t in first if u.value.shape == t.shape]

    def _name(self, unnamed: Unnamed) -> None:
        """Put a Bind in the place of the unnamed tensor, unless its statement names it."""
        events, index = self.trace.events, unnamed.index
        if index >= len(events) or events[index] is not unnamed:
            return
        if (id(unnamed.value), unnamed.statement.place) in self.named or self._has_own(unnamed):
            return
        statement, scope, call = unnamed.statement, unnamed.scope, unnamed.call
        events[index] = Bind(
            index, unnamed.name, unnamed.value, "result", statement, None, False, scope, call
        )

    def _has_own(self, unnamed: Unnamed) -> bool:
        """Tell whether the call itself gave the tensor a name before it returned it."""
        call = unnamed.call
        if call is None:
            return False
        events = self.trace.events[call.begin : unnamed.index]
        return any(
            type(e) is Bind and e.value is unnamed.value and e.kind != "param" and e.call is call
            for e in events
        )


def _output(call: Call) -> Tensor | None:
    return next(floats_in(call.result), None)


def _inputs(call: Call) -> list[Tensor]:
    return [t for v in call.arguments.values() if v is not call.owner for t in floats_in(v)]


def _share(call: Call, other: Call) -> bool:
    """Tell whether one call got a tensor that the other got or returned."""
    known = {id(t) for t in floats_in((*other.arguments.values(), other.result))}
    return any(id(t) in known for t in floats_in(tuple(call.arguments.values())))


def _words(name: str) -> frozenset[str]:
    """Return the words of a name: reluBackward and relu_backward have the same."""
    return frozenset(w.lower() for w in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name))


def _stem(name: str) -> frozenset[str]:
    return _words(name) - BACKWARD - FORWARD
