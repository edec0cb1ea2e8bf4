"""A run of the backward pass in float64 in which a statement can be run again, or another.

Two scenes are made: one with the true gradients upstream, one with random ones, so that a line is
not taken for right because the true gradient upstream of it happens to be 0.
"""

import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.judging.hands import Hand
from handgrad.checker.judging.passes import Pass
from handgrad.checker.judging.replay import Replay
from handgrad.checker.judging.sweep import Sweep
from handgrad.checker.recording.trace import Bind, Event, Op, key_of


class Names:
    """What names stand for at one moment of a run: tensors in float64, all else as it is.

    What is written to later is kept as it was; the rest is taken from the run when it is asked for.
    """

    def __init__(self, replay: Replay, bind: Bind, changing: set[int]) -> None:
        assert bind.scope is not None
        self._given = bind.scope.names
        self._replay, self._index = replay, bind.index
        self._kept = {
            name: self._own(value).clone()
            for name, value in self._given.items()
            if _is_float(value) and key_of(value) in changing
        }

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __getitem__(self, name: str) -> Any:
        if name in self._kept:
            return self._kept[name]
        value = self._given[name]
        return self._own(value) if _is_float(value) else value

    def get(self, name: str) -> Any:
        """Return what the name stands for, None where it stands for nothing."""
        return self[name] if name in self._given else None

    def given(self, name: str) -> Any:
        """Return what the name stood for in the user's own run."""
        return self._given[name]

    def _own(self, value: Tensor) -> Tensor:
        return self._replay.get(value, self._index).detach()


@dataclass
class Moment:
    """A statement that has just run; its target as it was before, and after."""

    names: Names
    before: Tensor | None
    after: Tensor


@dataclass
class Scene:
    """The moments of one run, by the index of the Bind; `late` is the last of them."""

    moments: dict[int, Moment] = field(default_factory=dict)
    late: Names | None = None


class SceneSweep(Sweep):
    """A sweep with right gradients upstream that keeps the names at the statements of interest."""

    def __init__(
        self,
        forward: Pass,
        hands: Sequence[Hand],
        wanted: Iterable[int],
        corrections: Mapping[int, Tensor],
        truth: Mapping[int, Tensor] | None = None,
        dtype: torch.dtype | None = torch.float64,
    ) -> None:
        super().__init__(forward, hands, True, corrections, truth)
        self.replay.dtype = dtype
        self.wanted = set(wanted)
        self.scene = Scene()
        self._changing = {key_of(b.value) for hand in hands for b in hand.binds}

    def events(self) -> list[Event]:
        """Return what the gradients were computed by, and the whole forward pass before it."""
        events: dict[int, Event] = {e.index: e for e in self.forward.events if type(e) is Op}
        events |= {e.index: e for e in super().events()}
        for event in events.values():
            if type(event) is Op:
                self._changing.update(key_of(t) for t in event.writes)
        return [events[i] for i in sorted(events)]

    def _named(self, bind: Bind, hand: Hand) -> None:
        if bind.index in self.wanted and bind.scope is not None:
            self.scene.moments[bind.index] = self._moment(bind, hand)
        super()._named(bind, hand)
        if bind.scope is not None and bind.scope.names:
            self.scene.late = Names(self.replay, bind, self._changing)

    def _moment(self, bind: Bind, hand: Hand) -> Moment:
        after = self.replay.get(bind.value, bind.index).clone()
        earlier = [b for b in hand.binds if b.index < bind.index and b.index in self.swept.values]
        before = self.swept.values[earlier[-1].index] if earlier else None
        return Moment(Names(self.replay, bind, self._changing), before, after)


class Runner:
    """Runs statements over the names of a moment. Nothing that they do reaches the user's names."""

    def __init__(self, names: Names, dtype: torch.dtype | None = torch.float64) -> None:
        self._names = names
        self._dtype = dtype

    def value(self, source: str) -> Any:
        """Return what an expression evaluates to. Raises whatever it raises."""
        return self._within(compile(source, "<line>", "eval"), eval, {})

    def run(self, source: str, target: str, before: Tensor | None) -> Tensor | None:
        """Run statements; return what `target` stands for afterwards, None where it is no tensor.

        `before` is what it stands for when they begin. Raises whatever they raise.
        """
        names: dict[str, Any] = {}
        if before is not None:
            names[target] = before.clone()
        code = compile(source, "<line>", "exec")
        self._within(code, exec, names)
        found = names.get(target)
        return found.detach() if isinstance(found, Tensor) else None

    def _within(self, code: Any, how: Any, names: dict[str, Any]) -> Any:
        read = {n for n in _names_of(code) if n in self._names and n not in names}
        writes = any(name.endswith("_") and not name.endswith("__") for name in _names_of(code))
        for name in read:
            value = self._names[name]
            if writes and isinstance(value, Tensor):
                value = value.clone()
            names[name] = value
        names["__builtins__"] = builtins
        dtype = torch.get_default_dtype()
        # what the line makes by itself (zeros) must fit the rest
        torch.set_default_dtype(self._dtype or dtype)
        try:
            with torch.no_grad():
                return how(code, names)
        finally:
            torch.set_default_dtype(dtype)


def _names_of(code: Any) -> set[str]:
    found = {*code.co_names, *code.co_freevars}
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            found |= _names_of(constant)
    return found


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.layout is torch.strided
