"""What names, calls and updates say: which tensors are gradients by hand, and of which nodes."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from torch import Tensor

from handgrad.checker.pairs.calls import Leads
from handgrad.checker.pairs.hands import Definition, HandGradient
from handgrad.checker.pairs.named import (
    compared_names,
    definitions,
    nodes_named,
    owner_of,
    rebound_node,
)
from handgrad.checker.pairs.updates import decayed_state, keeps_state
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.record.call import Call
from handgrad.checker.record.gradient_names import KEYED, LIKELY, hand_names
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, Op, Step, Trace, key_of


@dataclass(frozen=True, eq=False)
class Naming:
    """What the names in a file say: which read as gradients, and of which nodes."""

    trace: Trace
    pairs: Mapping[str, str]
    named: Mapping[str, str]
    compared: Mapping[str, str]
    likely: Set[str]
    """Names of likely gradients that say no node: the value may show whose they are."""
    rebinds: Mapping[tuple[str, str], Sequence[Bind]]
    """The Binds of all names, by function and name."""
    leads: Leads
    """What the calls tell."""

    @staticmethod
    def of(
        trace: Trace,
        passes: Sequence[ForwardPass],
        pairs: Mapping[str, str],
        leads: Leads,
    ) -> "Naming":
        """Return what the names in the trace say; `pairs` are the user's own pairs."""
        binds = trace.of(Bind)
        names = {b.name for b in binds if b.kind != "param" or KEYED.fullmatch(b.name)}
        known = hand_names([b.name for b in binds], pairs)
        rebinds: dict[tuple[str, str], list[Bind]] = {}
        for bind in binds:
            rebinds.setdefault((bind.statement.function, bind.name), []).append(bind)
        return Naming(
            trace,
            pairs,
            {hand: node for hand, node in known.items() if hand in names},
            compared_names(trace, passes),
            {name for name in names if LIKELY.fullmatch(name)},
            rebinds,
            leads,
        )

    def has_node(self, bind: Bind) -> bool:
        """Tell whether a name or a call says whose gradient it is."""
        known = bind.name in self.named or bind.name in self.compared
        return known or self.leads.of(bind) is not None

    def suggests(self, definition: Definition) -> bool:
        """Tell whether a name, a comparison or a call says that it is a gradient."""
        named = definition.name in self.likely
        return named or any(self.has_node(bind) for bind in definition.binds)

    def definitions(self, others: Set[str] = frozenset()) -> list[Definition]:
        """Return what may be gradients by hand, in program order; so may these `others`."""
        names = {*self.named, *self.compared, *self.likely, *others}
        led = {b.name for b in self.trace.of(Bind) if self.leads.of(b) is not None}
        found = [
            binds
            for binds in definitions(self.trace, names | led)
            if binds[0].name in names or any(self.leads.of(b) is not None for b in binds)
        ]
        parts = [part for binds in found for part in self._split(binds)]
        parts.sort(key=lambda binds: binds[0].index)
        return [Definition(i, binds[0].name, binds) for i, binds in enumerate(parts)]

    def _split(self, binds: Sequence[Bind]) -> list[list[Bind]]:
        """Split a definition where a tensor is known to be a whole gradient.

        `d = layer.backward(d)` computes another one from it, under the same name. So does a
        velocity in each step, which starts with `d *= 0.9`, and `dx = dx + f(dx)` in each layer
        where the forward pass has `x = x + g(x)`.
        """
        parts = [[binds[0]]]
        residual = self._residual(binds)
        for before, bind in pairwise(binds):
            whole = self.leads.of(before) is not None
            new = whole and not bind.alias and key_of(bind.value) != key_of(before.value)
            decays = bind.kind == "update" and self._step(before) != self._step(bind)
            new = new or bind.statement in residual
            if new or (decays and decayed_state(self.trace, bind) is not None):
                parts.append([])
            parts[-1].append(bind)
        return parts

    def _residual(self, binds: Sequence[Bind]) -> set[Statement]:
        """Return the statements of a loop that change the gradient as often as its tensor changes.

        Only then does each change belong to a tensor of its own.
        """
        name = binds[0].name
        node = self.named.get(name)
        own = [b.statement for b in binds if b.kind == "update" and not b.alias]
        repeated = {s for s in own if own.count(s) > 1}
        if node is None or not repeated:
            return set()
        every = [b for b in self.trace.of(Bind) if b.kind == "update" and not b.alias]
        counts = Counter((b.name, b.statement) for b in every if b.name in (node, name))
        reads = re.compile(rf"\b{re.escape(name)}\b")  # `W = W - lr * dW`
        layers = {n for (of, s), n in counts.items() if of == node and not reads.search(s.text)}
        return {s for s in repeated if counts[name, s] in layers}

    def _step(self, bind: Bind) -> int | None:
        """Return which step of a training loop the statement ran in: the index of its end."""
        return next((s.index for s in self._steps if s.begin <= bind.index <= s.index), None)

    @cached_property
    def _steps(self) -> Sequence[Step]:
        return self.trace.of(Step)

    def hand(self, definition: Definition, forward: ForwardPass) -> HandGradient:
        """Return the definition as a gradient of that pass, with the nodes that it may be of.

        A likely name without a node has no candidates: its value may show whose gradient it is.
        """
        name, first = definition.name, definition.binds[0]
        node = self.named.get(name)
        nodes = self._nodes(forward, node, first)
        claim = "pair" if name in self.pairs else "name"
        if not nodes and name in self.compared:
            nodes = self._nodes(forward, self.compared[name], first)
            claim = "compared" if claim == "name" else claim
        led = self._led(forward, definition, nodes)
        agreed = led is not None and any(b.value is led.value for b in nodes)
        unpacked = (
            led is not None and _unpacks(first) and self._may_be_named(definition, nodes, led)
        )
        by_name = nodes and not agreed and (unpacked or self._renames(first))
        part = nodes and led is not None and led.kind == "param"
        if part and (len(definition.binds) > 1 or definition.borrowed):
            by_name = not self.leads.forward_of(first.call)  # completed after it was returned
        if led is not None and claim == "name" and not by_name:
            share = self._share(forward, [led])
            lead = self.leads.of(definition.own_final())
            assert lead is not None
            why = "update" if lead.call is None else "call"
            binds = definition.binds
            if why == "update":  # what was allocated before the step is no gradient yet
                used = (e.index for e in forward.events if type(e) is Op
                        and any(t is led.value for t in e.inputs))  # fmt: skip
                first_use = min(used, default=forward.start)
                binds = [b for b in binds if b.index > first_use]
                if all(b.alias for b in binds):
                    return HandGradient(
                        definition.number, name, definition.binds, forward, [], "value"
                    )
            return HandGradient(
                definition.number,
                name,
                binds,
                forward,
                [led],
                why,
                None,
                share,
                lead.factor,
            )
        read_node = rebound_node(forward, self.rebinds, node, first) if claim == "name" else None
        if read_node is not None and all(b.value is not read_node.value for b in nodes):
            nodes = [read_node]
        claim = claim if nodes else "value"
        share = self._share(forward, nodes)
        return HandGradient(
            definition.number, name, definition.binds, forward, nodes, claim, read_node, share
        )

    def _may_be_named(self, definition: Definition, nodes: Sequence[Bind], led: Bind) -> bool:
        """Tell whether its name counts more than the call.

        It does where its node has its shape and is known where the statement stands, or where the
        statement has another name for what the call says: the two are mixed up.
        """
        statement, shape = definition.binds[0].statement, definition.own_final().value.shape
        others = {self.named.get(t.name) for t in statement.targets}
        near = [b for b in nodes if owner_of(b.statement) == owner_of(statement)]
        return led.name in others or any(b.value.shape == shape for b in near)

    def _renames(self, bind: Bind) -> bool:
        """Tell whether the tensor had another name in the same function: `dxhat = dout`."""
        return any(
            type(e) is Bind
            and e.value is bind.value
            and e.call is bind.call
            and e.name != bind.name
            and e.kind != "result"
            for e in self.trace.events[: bind.index]
        )

    def _share(self, forward: ForwardPass, nodes: Sequence[Bind]) -> Call | None:
        """Return the call that the one candidate is a parameter of, if others read it too."""
        call = nodes[0].call if len(nodes) == 1 and nodes[0].kind == "param" else None
        if call is None or call.end is None or not self.leads.is_forward(call):
            return None
        reads = [e.index for e in forward.events if type(e) is Op
                 and any(t is nodes[0].value for t in e.inputs)]  # fmt: skip
        inside = [i for i in reads if call.begin <= i < call.end]
        return call if inside and len(inside) < len(reads) else None

    def _of_call(self, nodes: Sequence[Bind], call: Call | None) -> list[Bind]:
        """Return the nodes of the forward call that a backward call belongs to, or its object's."""
        forward = self.leads.forward_of(call)
        own = [b for b in nodes if forward is not None and b.call is forward]
        if own or call is None or call.owner is None:
            return own
        return [b for b in nodes if b.home is not None and b.home.owner is call.owner]

    def _led(
        self, forward: ForwardPass, definition: Definition, named: Sequence[Bind]
    ) -> Bind | None:
        """Return the node that a call says it is the gradient of; `named` are those of its name."""
        final = definition.own_final()
        node = self.leads.of(final)
        if node is None or any(b.value is final.value for b in forward.nodes()):
            return None
        if node.call is None:
            return self._updated(forward, final, node.value, named)
        binds = [b for b in forward.nodes() if b.value is node.value and b.index < final.index]
        alike = [b for b in named if b.value is node.value]
        own = [b for b in binds if b.kind == "param" and b.call is node.call]
        if own and self._share(forward, own[:1]) is not None:
            return own[0]
        outer = [b for b in binds if b.kind != "param"]
        near = [b for b in outer if node.call is not None and b.call is node.call.caller]
        return next(iter(alike or near or outer or binds[::-1]), None)

    def _updated(
        self, forward: ForwardPass, final: Bind, parameter: Tensor, named: Sequence[Bind]
    ) -> Bind | None:
        """Return the node of a parameter that is updated with the tensor."""
        if named or keeps_state(forward, final.value, final.index):
            return None
        binds = [b for b in forward.nodes() if key_of(b.value) == key_of(parameter)]
        binds = [b for b in binds if b.value.shape == parameter.shape and b.index < final.index]
        outer = [b for b in binds if b.kind != "param"]
        return next(iter(outer or binds), None)

    def _nodes(self, forward: ForwardPass, node: str | None, first: Bind) -> list[Bind]:
        """Return the nodes of that name, the last one first.

        For a gradient computed while the forward pass still runs, it is the one of that moment or,
        if none has the name yet (`dW = zeros` at the top), the next one.
        """
        function = first.statement.function
        nodes = nodes_named(forward, node, first.index, function)
        nodes = self._of_call(nodes, first.call) or nodes
        if first.index > forward.end:
            return nodes
        return nodes[:1] or nodes_named(forward, node, forward.end, function)[-1:]


def _unpacks(bind: Bind) -> bool:
    """Tell whether the statement takes several values at once: a name then counts more."""
    return bind.kind != "result" and len(bind.statement.targets) > 1
