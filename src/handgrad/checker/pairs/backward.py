"""The user's backward pass run again in float64, naturally or line by line.

Naturally, each gradient comes out as the user's formulas have it, free of the dtype's rounding.
With `substitute`, each finished gradient is replaced by the true one before anything reads it: a
correct line then gives the truth, whatever went wrong upstream of it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from handgrad.checker.pairs.hands import Definition, Pair
from handgrad.checker.passes.replay import Replay
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import Bind, Event, Op, key_of, needed


@dataclass(frozen=True)
class BackwardRun:
    """What one replay produced. Values and changes are by the Bind's index, the rest by number."""

    values: dict[int, Tensor] = field(default_factory=dict)
    changes: dict[int, Tensor] = field(default_factory=dict)
    outcomes: dict[int, Tensor] = field(default_factory=dict)
    """Each gradient as its own last statement left it, before it was replaced."""
    reads: dict[int, set[int]] = field(default_factory=dict)
    """The finished gradients by hand that each gradient is computed from."""
    partial_reads: dict[int, set[int]] = field(default_factory=dict)
    """Those that it is computed from before they were finished."""
    unrecorded: set[int] = field(default_factory=set)
    """Gradients that no recorded operation computed (NumPy, another library)."""
    irreplaceable: set[int] = field(default_factory=set)
    """Gradients that share memory with the forward pass and could not be replaced."""


class BackwardReplay:
    """One run of the operations that compute the gradients by hand of one forward pass.

    `corrections` replace half-built gradients, by the Bind's index. `truth` are the gradients to
    substitute, by the index of the node's Bind; the pass's own where None.
    """

    def __init__(
        self,
        forward: Pass,
        hands: Sequence[Definition],
        substitute: bool,
        corrections: Mapping[int, Tensor] | None = None,
        truth: Mapping[int, Tensor] | None = None,
    ) -> None:
        self.forward = forward
        self.substitute = substitute
        self.corrections = corrections or {}
        self.truth = forward.truth if truth is None else truth
        self.result = BackwardRun()
        self.owner = {b.index: hand for hand in hands for b in hand.binds}
        self.replay = Replay(
            forward.trace, forward.leaves, start=forward.start, draws=forward.draws
        )
        self.latest: dict[int, Tensor] = {}
        """Each gradient after its last statement so far, by number."""
        self._sources: dict[int, set[int]] = {}
        """The gradients that each storage is computed from: number, or ~number if half built."""
        self._shared: dict[int, set[int]] = {}
        """The gradients that a statement wrote through another name, by storage."""
        self._finished: dict[int, list[tuple[Bind, int]]] = {}
        """The finished gradients that are one tensor, `dy` and `db` after `db = dy`, by storage."""
        self._forward_memory = forward.leaves | {
            key_of(t) for e in forward.events if type(e) is Op for t in e.outputs
        }

    def run(self) -> BackwardRun:
        """Run it, and return what it produced."""
        for event in self.events():
            if type(event) is Op:
                self._execute(event)
            elif type(event) is Bind:
                self._named(event, self.owner[event.index])
        return self.result

    def events(self) -> list[Event]:
        """Return the operations that compute the gradients, and their names, in order."""
        if not self.owner:
            return []
        trace, last = self.forward.trace, max(self.owner)
        binds = [trace.events[i] for i in self.owner]
        targets = [b.value for b in binds if type(b) is Bind]
        ops = needed(trace.events[self.forward.start : last + 1], targets, set())
        return sorted([*ops, *binds], key=lambda e: e.index)

    def _execute(self, op: Op) -> None:
        meant = {key: read for t in op.inputs if (read := self._meant(op, key := key_of(t)))}
        self._put(meant.values())
        self.replay.execute(op)
        self._put(self._finished[key][-1] for key in meant)
        sources: set[int] = set()
        for value in op.inputs:
            key = key_of(value)
            sources |= {meant[key][1]} if key in meant else self._sources.get(key, set())
        if sources:
            for value in op.outputs:
                self._sources.setdefault(key_of(value), set()).update(sources)

    def _put(self, gradients: Iterable[tuple[Bind, int]]) -> None:
        """Put the true gradients of these names into the tensors that they share with others."""
        for bind, number in gradients:
            if self.substitute and isinstance(self.owner[bind.index], Pair):
                self._replace(bind, self.owner[bind.index], self.latest[number])

    def _meant(self, op: Op, key: int) -> tuple[Bind, int] | None:
        """Return which of several gradients that are one tensor an operation reads, by its name."""
        finished = self._finished.get(key, [])
        if len(finished) < 2 or op.ran_in is None or op.writes:
            return None
        text = op.ran_in[0].text
        named = [f for f in finished if re.search(rf"(?<!\w){re.escape(f[0].name)}(?!\w)", text)]
        return named[0] if len(named) == 1 else None

    def _named(self, bind: Bind, hand: Definition) -> None:
        result, number, key = self.result, hand.number, key_of(bind.value)
        value = self.replay.get(bind.value, bind.index)
        before = self.latest.get(number)
        if not self.replay.is_live(bind.value):
            result.unrecorded.add(number)
        result.values[bind.index] = value.clone()
        extends = before is not None and before.shape == value.shape
        result.changes[bind.index] = value - before if extends else value.clone()  # type: ignore[operator]
        sources = self._sources.get(key, set()) - {number, ~number}
        result.reads.setdefault(number, set()).update(n for n in sources if n >= 0)
        result.partial_reads.setdefault(number, set()).update(~n for n in sources if n < 0)
        if hand.borrowed:  # the tensor of another gradient, under a key
            result.outcomes[number] = result.values[bind.index]
            return
        self.latest[number] = result.values[bind.index]
        if bind.index in self.corrections:
            self._replace(bind, hand, self.corrections[bind.index])
            result.values[bind.index] = self.corrections[bind.index].clone()
            self.latest[number] = result.values[bind.index]
        if bind is hand.own_final():
            result.outcomes[number] = result.values[bind.index]
            if self.substitute and isinstance(hand, Pair) and not bind.alias:
                self._replace(bind, hand, self.truth[hand.node.index])
            self._sources[key] = {number} | self._shared.get(key, set())
            others = [f for f in self._finished.get(key, []) if f[0].value is bind.value]
            self._finished[key] = [*others, (bind, number)]
        elif bind.alias:  # a reader of the memory may mean this gradient
            self._shared.setdefault(key, set()).add(number)
            self._sources.setdefault(key, set()).add(number)
        else:
            self._sources.setdefault(key, set()).add(~number)

    def _replace(self, bind: Bind, hand: Definition, right: Tensor) -> None:
        """Put the right value in the place of the user's, for all that reads it from here on."""
        replayed = self.replay.env[id(bind.value)]
        if key_of(bind.value) in self._forward_memory:
            self.result.irreplaceable.add(hand.number)
            return
        self.replay.enliven(bind.value)
        try:
            if replayed.shape != right.shape:
                raise RuntimeError("another shape cannot be written in place")
            replayed.copy_(right)
        except RuntimeError:  # an expanded view shares its elements: nothing else depends on it
            self.replay.env[id(bind.value)] = right.clone()
        self.result.values[bind.index] = right.clone()
        self.latest[hand.number] = self.result.values[bind.index]
