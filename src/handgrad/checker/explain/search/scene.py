"""A run of the backward pass in float64 in which a statement, or another one, can run again.

There are two scenes: one with the true upstream gradients and one with random ones, so that a line
does not pass because its true upstream gradient happens to be 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from handgrad.checker.explain.search.names import NamesAt
from handgrad.checker.explain.search.runner import LineRunner
from handgrad.checker.pairs.backward import BackwardReplay, BackwardRun
from handgrad.checker.pairs.hands import Definition, Pair
from handgrad.checker.passes.replay import Replay
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.scope import Scope
from handgrad.checker.record.trace import Bind, Event, Op, key_of


@dataclass
class Moment:
    """A statement that has just run, with its target before and after.

    `loops` are the names when each loop around it began, by the line of the loop.
    """

    names: NamesAt
    before: Tensor | None
    after: Tensor
    loops: Mapping[int, NamesAt]
    memory: Tensor | None = None
    """What was in the target's memory before, of another gradient: `dh[h <= 0] = 0` makes da."""


@dataclass
class Scene:
    """The moments of one run, by the index of the Bind; `late` is the last of them."""

    moments: dict[int, Moment] = field(default_factory=dict)
    late: NamesAt | None = None
    fixed: set[int] = field(default_factory=set)
    """The numbers of gradients that no scene replaces: they are tensors of the forward pass."""


class SceneReplay(BackwardReplay):
    """A sweep with right gradients upstream that keeps the names at the statements of interest."""

    def __init__(
        self,
        forward: Pass,
        hands: Sequence[Definition],
        wanted: Iterable[int],
        corrections: Mapping[int, Tensor],
        truth: Mapping[int, Tensor] | None = None,
        dtype: torch.dtype | None = torch.float64,
        watched: Sequence[Bind] = (),
    ) -> None:
        super().__init__(forward, hands, True, corrections, truth)
        self.replay.dtype = dtype
        self.wanted = set(wanted) | {bind.index for bind in watched}
        self.watched = watched
        """Assignments of tensors that belong to no node: their moments are wanted too."""
        self.scene = Scene(fixed=self.result.irreplaceable)
        binds = [b for hand in hands for b in hand.binds]
        self._memory: dict[int, Tensor] = {}
        self._changing = {key_of(b.value) for b in binds}
        scoped = (b.index for b in binds if b.scope is not None and b.scope.names)
        self._last = max(scoped, default=None)

    def events(self) -> list[Event]:
        """Return the operations of the gradients, and the whole forward pass before them."""
        events: dict[int, Event] = {e.index: e for e in self.forward.events if type(e) is Op}
        events |= {e.index: e for e in super().events()}
        for event in events.values():
            if type(event) is Op:
                self._changing.update(key_of(t) for t in event.writes)
        events |= {bind.index: bind for bind in self.watched}
        return [events[i] for i in sorted(events)]

    def run(self) -> BackwardRun:
        """Run it, and return what it produced."""
        for event in self.events():
            if type(event) is Op:
                self._execute(event)
            elif type(event) is Bind and event.index in self.owner:
                self._named(event, self.owner[event.index])
            elif type(event) is Bind and self.replay.is_live(event.value):
                value = self.replay.get(event.value, event.index)
                names = self._names(event)
                self.scene.moments[event.index] = Moment(names, None, value, self._loops(event))
        return self.result

    def _named(self, bind: Bind, hand: Definition) -> None:
        if bind.index in self.wanted and bind.scope is not None:
            self.scene.moments[bind.index] = self._moment(bind, hand)
        super()._named(bind, hand)
        if hand.number in self.latest:
            self._memory[key_of(bind.value)] = self.latest[hand.number]
        if bind.index == self._last:
            self.scene.late = self._names(bind)

    def _moment(self, bind: Bind, hand: Definition) -> Moment:
        after = self.replay.get(bind.value, bind.index).clone()
        before = self.latest.get(hand.number)
        loops = self._loops(bind)
        memory = self._memory.get(key_of(bind.value)) if bind.kind == "update" else None
        return Moment(self._names(bind), before, after, loops, memory)

    def _loops(self, bind: Bind) -> dict[int, NamesAt]:
        scopes = bind.scope.loops if bind.scope is not None else {}
        return {line: self._names(bind, scope) for line, scope in scopes.items() if scope.names}

    def _names(self, bind: Bind, scope: Scope | None = None) -> NamesAt:
        return NamesAt(self.replay, bind, self._changing, scope)


@dataclass(frozen=True)
class ConsumerShare:
    """What one consumer contributes to a node's gradient, in each scene."""

    consumer: str
    """The name of the consumer; its gradient's name is `hand`."""
    hand: str | None
    values: tuple[Tensor, ...]


@dataclass(frozen=True)
class View:
    """One scene as a suspect sees it; `right` is the correct gradient in it."""

    moment: Moment
    runner: LineRunner
    finish: LineRunner
    """Runs the gradient's later statements, where the last of them stands."""
    before: Tensor | None
    right: Tensor
    memory: Tensor | None = None
    given: Mapping[str, Tensor] = field(default_factory=dict)
    """Values of names before the statement, where it gives them others."""


@dataclass
class BackwardContext:
    """The evidence that all suspects of one pass share: scenes and contributions."""

    forward: Pass
    scenes: tuple[Scene, ...]
    native: Scene | None
    random: Mapping[int, Tensor]
    """By the id of the node's tensor."""
    parts: Mapping[int, Mapping[int, tuple[Tensor, ...]]]
    """Node -> consumer -> what it sends back in each scene, by the tensors' ids."""
    consumers: Mapping[int, set[int]]
    hands: Mapping[int, Pair]
    """The gradients by hand, by the id of the node's tensor."""

    @cached_property
    def replayed(self) -> Replay:
        """The forward pass alone, run again: its tensors when the loss was computed."""
        return self.forward.replayed()
