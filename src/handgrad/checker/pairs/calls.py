"""Whose gradient a tensor is by the call that made it or took it, or by the update that takes it.

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

from handgrad.checker.record.call import Call, Unnamed, Update, floats_in
from handgrad.checker.record.trace import Bind, Op, Trace

BACKWARD = {"back", "backprop", "backward", "backwards", "bprop", "bw", "bwd", "d", "delta", "der",
            "deriv", "derivative", "dx", "grad", "gradient", "gradients", "prime",
            "vjp"}  # fmt: skip
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


class Result(NamedTuple):
    """What a backward call returns: the index of the event, the node, and the call."""

    at: int
    node: Node
    call: Call


@dataclass(frozen=True, eq=False)
class Leads:
    """What calls and updates tell about whose gradient a tensor is.

    `results` are by the id of the tensor: a function may return the tensor that another returned,
    so each has the index of its event. `given` are tensors passed to backward calls, and those in
    updates. `own` is by the index of the Bind, where a tensor without a name got one. `forwards`
    has the forward call that belongs to a backward call.
    """

    results: Mapping[int, Sequence[Result]]
    given: Mapping[int, Node]
    own: Mapping[int, Node]
    forwards: Mapping[Call, Call]

    def of(self, bind: Bind) -> Node | None:
        """Return the node that the tensor is the gradient of, as far as a call or update shows."""
        if bind.index in self.own:
            return self.own[bind.index]
        known = sorted(self.results.get(id(bind.value), ()), key=lambda result: result.at)
        before = [result.node for result in known if result.at < bind.index]
        inside = [result.node for result in known if result.call is bind.call]
        return next(iter(before[::-1] or inside), self.given.get(id(bind.value)))

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


def find_leads(trace: Trace) -> Leads:
    """Return what calls and updates tell; gradients without a name in their statement get one."""
    found = _Found(trace)
    for call in trace.calls:
        forward = found.forward_of(call)
        if forward is not None:
            found.pair(call, forward)
    for update in trace.of(Update):
        found.update(update)
    found.name_returned()
    return Leads(found.results, found.given, found.own, found.forwards)


@dataclass(eq=False)
class _Found:
    trace: Trace
    results: dict[int, list[Result]] = field(default_factory=dict)
    given: dict[int, Node] = field(default_factory=dict)
    own: dict[int, Node] = field(default_factory=dict)
    forwards: dict[Call, Call] = field(default_factory=dict)
    taken: set[tuple[int, str]] = field(default_factory=set)
    """The forward calls, by id, that have a counterpart, with its name."""

    def __post_init__(self) -> None:
        self.made = {id(t): e.index for e in reversed(self.trace.of(Op)) for t in e.outputs}
        """When each tensor was made, by its id."""
        self.reads: dict[int, list[int]] = {}
        for event in self.trace.of(Op):
            for value in event.inputs:
                self.reads.setdefault(id(value), []).append(event.index)
        binds = [b for b in self.trace.of(Bind) if b.kind in ("assign", "update")]
        self.named = {(id(b.value), b.statement.place) for b in binds}
        self.bound = {id(b.value) for b in binds}
        self.unnamed = {id(e.value): e for e in self.trace.events if type(e) is Unnamed}
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
            apart = other.function != call.function and other is not call.source
            if earlier and apart and (call.owner is not None or _share(call, other)):
                yield other

    def _may_be(self, call: Call, forward: Call) -> bool:
        """Tell whether `call` may return gradients of what `forward` got."""
        output = _output(forward)
        words = _words(call.name)
        if output is None or forward in self.forwards or (words & FORWARD and not words & BACKWARD):
            return False
        upstream = self._upstream(call, forward)
        if upstream is None and output.numel() > 1:
            return False
        if words & BACKWARD:
            return True
        shapes = {t.shape for t in _inputs(forward)}
        results = [u.value.shape for u in call.returned]
        return bool(shapes.intersection(results))

    def _upstream(self, call: Call, forward: Call) -> Tensor | None:
        """Return the argument that is the gradient of the forward's output."""
        output = _output(forward)
        if output is None:
            return None
        for value in call.arguments.values():
            fits = isinstance(value, Tensor) and value.shape == output.shape
            if fits and self.made.get(id(value), -1) >= (forward.end or 0):
                return value  # type: ignore[no-any-return]
        return None

    def pair(self, call: Call, forward: Call) -> None:
        """Note what follows from `call` being the counterpart of `forward`."""
        self.forwards[call] = forward
        self.taken.add((id(forward), call.function))
        output, upstream = _output(forward), self._upstream(call, forward)
        if upstream is not None and output is not None:
            self.given.setdefault(id(upstream), Node(output, forward))
            for unnamed in call.given:
                if unnamed.value is upstream and self._says_more(unnamed, output):
                    self._name(unnamed, Node(output, forward))
        for unnamed, node in self._placed(call, forward):
            of = Node(node, forward)
            self.results.setdefault(id(unnamed.value), []).append(Result(unnamed.index, of, call))
            if not self._has_own(unnamed):
                self._name(unnamed, of)

    def update(self, update: Update) -> None:
        """Note whose gradient an update takes: the tensor that has a name, or the step."""
        step, levels = update.levels[0], update.levels
        taken = next((t for t in levels if id(t) in self.bound), None)
        if taken is not None:
            if update.descends and taken.shape == update.parameter.shape:
                self.given.setdefault(id(taken), Node(update.parameter, None))
        elif id(step) in self.unnamed:
            self._name(self.unnamed[id(step)], Node(update.parameter, None, update.factor))

    def name_returned(self) -> None:
        """Name the gradients that functions return in a list, for the caller to name."""
        for event in self.trace.events:
            if type(event) is Unnamed and event.call is not None and event in event.call.returned:
                node = self.given.get(id(event.value))
                if node is not None and node.call is None and not self._has_own(event):
                    self._name(event, node)

    def _says_more(self, given: Unnamed, output: Tensor) -> bool:
        """Tell whether what is passed has no name, or is known as something else.

        A function may have returned it as the gradient of another tensor, or as the contribution of
        one call where the whole gradient is needed.
        """
        known = self.results.get(id(given.value))
        if known is None:
            return id(given.value) not in self.bound
        node = known[-1].node
        if node.value is not output or node.call is None:
            return True
        within = range(node.call.begin, node.call.end or 0)
        return any(i not in within for i in self.reads.get(id(output), ()) if i < given.index)

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

    def _name(self, unnamed: Unnamed, node: Node) -> None:
        """Put a Bind in the place of the unnamed tensor, unless its statement names it."""
        events, index = self.trace.events, unnamed.index
        if (id(unnamed.value), unnamed.statement.place) in self.named:
            return
        if unnamed.bind is None:
            statement, scope, call = unnamed.statement, unnamed.scope, unnamed.call
            unnamed.bind = Bind(
                index, unnamed.name, unnamed.value, "result", statement, None, False, scope, call
            )
        if index < len(events) and events[index] in (unnamed, unnamed.bind):
            unnamed.bind.index = index
            events[index] = unnamed.bind
            self.own[index] = node

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
