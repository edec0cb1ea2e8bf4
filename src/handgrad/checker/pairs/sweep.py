"""The user's backward pass run again in float64, naturally or line by line.

Naturally, it gives each gradient as the user's formulas have it, free of the dtype's rounding. With
`substitute`, each gradient that is finished is replaced by the true one before anything reads it:
what then comes out of a line that is right is the truth, whatever went wrong upstream of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from handgrad.checker.pairs.hands import Hand
from handgrad.checker.passes.find import Pass
from handgrad.checker.passes.replay import Replay
from handgrad.checker.record.trace import Bind, Event, Op, key_of, needed


@dataclass
class Swept:
    """What one sweep saw. Values and changes are by the Bind's index, the rest by Hand.number."""

    values: dict[int, Tensor] = field(default_factory=dict)
    changes: dict[int, Tensor] = field(default_factory=dict)
    outcomes: dict[int, Tensor] = field(default_factory=dict)
    """Each gradient as its own last statement left it, before it was replaced."""
    reads: dict[int, set[int]] = field(default_factory=dict)
    """The gradients by hand that went into this one."""
    halves: dict[int, set[int]] = field(default_factory=dict)
    """Those that went into it before they were finished."""
    unseen: set[int] = field(default_factory=set)
    """Gradients that were not computed by recorded operations (NumPy, another library)."""
    kept: set[int] = field(default_factory=set)
    """Gradients that share their memory with something else and could not be replaced."""


class Sweep:
    """One run of the hand-written operations that belong to one forward pass."""

    def __init__(
        self,
        forward: Pass,
        hands: Sequence[Hand],
        substitute: bool,
        corrections: Mapping[int, Tensor] | None = None,
        truth: Mapping[int, Tensor] | None = None,
    ) -> None:
        self.forward = forward
        self.substitute = substitute
        self.corrections = corrections or {}
        self.truth = forward.truth if truth is None else truth
        self.swept = Swept()
        self.owner = {b.index: hand for hand in hands for b in hand.binds}
        self.replay = Replay(forward.trace, forward.leaves, start=forward.start)
        self.latest: dict[int, Tensor] = {}
        """What each gradient was after its last statement so far, by Hand.number."""
        self._sources: dict[int, set[int]] = {}
        self._shared: dict[int, set[int]] = {}
        self._forward_memory = forward.leaves | {
            key_of(t) for e in forward.events if type(e) is Op for t in e.outputs
        }

    def run(self) -> Swept:
        """Return what came out."""
        for event in self.events():
            if type(event) is Op:
                self._execute(event)
            elif type(event) is Bind:
                self._named(event, self.owner[event.index])
        return self.swept

    def events(self) -> list[Event]:
        """Return what the gradients were computed by, in order, and their names."""
        if not self.owner:
            return []
        trace, last = self.forward.trace, max(self.owner)
        binds = [trace.events[i] for i in self.owner]
        targets = [b.value for b in binds if type(b) is Bind]
        ops = needed(trace.events[self.forward.start : last + 1], targets, set())
        return sorted([*ops, *binds], key=lambda e: e.index)

    def _execute(self, op: Op) -> None:
        self.replay.execute(op)
        sources: set[int] = set()
        for value in op.inputs:
            sources |= self._sources.get(key_of(value), set())
        if sources:
            for value in op.outputs:
                self._sources.setdefault(key_of(value), set()).update(sources)

    def _named(self, bind: Bind, hand: Hand) -> None:
        swept, number, key = self.swept, hand.number, key_of(bind.value)
        value = self.replay.get(bind.value, bind.index)
        before = self.latest.get(number)
        if not self.replay.is_live(bind.value):
            swept.unseen.add(number)
        swept.values[bind.index] = value.clone()
        built_on = before is not None and before.shape == value.shape
        swept.changes[bind.index] = value - before if built_on else value.clone()  # type: ignore[operator]
        sources = self._sources.get(key, set()) - {number, ~number}
        swept.reads.setdefault(number, set()).update(n for n in sources if n >= 0)
        swept.halves.setdefault(number, set()).update(~n for n in sources if n < 0)
        if hand.borrowed:  # another gradient's tensor, which that one stands for
            swept.outcomes[number] = swept.values[bind.index]
            return
        self.latest[number] = swept.values[bind.index]
        if bind.index in self.corrections:
            self._replace(bind, hand, self.corrections[bind.index])
            swept.values[bind.index] = self.corrections[bind.index].clone()
            self.latest[number] = swept.values[bind.index]
        if bind is hand.own_final():
            swept.outcomes[number] = swept.values[bind.index]
            if self.substitute and hand.node is not None and not bind.alias:
                self._replace(bind, hand, self.truth[hand.node.index])
            self._sources[key] = {number} | self._shared.get(key, set())
        elif bind.alias:  # whatever reads the memory may mean this gradient by it
            self._shared.setdefault(key, set()).add(number)
            self._sources.setdefault(key, set()).add(number)
        else:  # half built: told from the finished gradient by the sign
            self._sources.setdefault(key, set()).add(~number)

    def _replace(self, bind: Bind, hand: Hand, right: Tensor) -> None:
        """Put the right value where the user's stood, for whatever reads it from here on."""
        own = self.replay.env[id(bind.value)]
        if key_of(bind.value) in self._forward_memory:
            self.swept.kept.add(hand.number)
            return
        self.replay.enliven(bind.value)
        try:
            if own.shape != right.shape:
                raise RuntimeError("another shape cannot be written in place")
            own.copy_(right)
        except RuntimeError:  # a stretched view shares its elements: nothing else can hang on it
            self.replay.env[id(bind.value)] = right.clone()
        self.swept.values[bind.index] = right.clone()
        self.latest[hand.number] = self.swept.values[bind.index]
