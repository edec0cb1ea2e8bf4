"""One statement to blame: what it made, what it should have made, and what another would make."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from handgrad.checker.explaining.edits import Text
from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.scene import Moment, Runner, Scene
from handgrad.checker.explaining.unit import Unit, calls_only_libraries, unit_of
from handgrad.checker.judging.compare import formula_is_right, same_bits
from handgrad.checker.judging.grade import Grade
from handgrad.checker.judging.hands import Hand
from handgrad.checker.judging.passes import Pass
from handgrad.checker.judging.statements import grouped
from handgrad.checker.recording.instrument import Statement
from handgrad.checker.recording.trace import Bind, key_of

TRIES = 600
"""So many lines are run in the place of one; at large sizes fewer, see WORK."""
WORK = 4e8
"""Elements that may be computed in search of one line's cause: some seconds of one core."""
CLOSE = 1e-5
"""Between values in float64 of scenes whose constants came through the user's dtype (1e-7)."""


@dataclass(frozen=True)
class Part:
    """What a node's gradient gets through one of its consumers, in each scene."""

    consumer: str
    """The name of the consumer; its gradient's name is `hand`."""
    hand: str | None
    values: tuple[Tensor, ...]


@dataclass(frozen=True)
class View:
    """One scene as a suspect has it: right is what all its gradient's statements should come to."""

    moment: Moment
    runner: Runner
    finish: Runner
    """Runs the gradient's later statements, where the last of them stands."""
    before: Tensor | None
    right: Tensor


@dataclass
class Suspect:
    """Evidence about one statement. `views` has the true scene first, then the random one."""

    grade: Grade
    statement: Statement
    unit: Unit | None
    views: tuple[View, ...]
    parts: tuple[Part, ...]
    rest: str
    """The gradient's later statements, to be run after this one."""
    native: View | None
    late: Runner | None
    """Evaluates expressions where the whole backward pass has run."""
    names: Mapping[str, Bind]
    """The forward's nodes by name, as this statement sees them."""
    gradients: Mapping[str, str]
    """Node -> the name of its gradient by hand."""
    backward: "Backward"
    _tried: dict[str, bool] = field(default_factory=dict)
    _made: dict[int, Tensor] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    """What is costly to find out and of use to several causes."""

    @property
    def hand(self) -> Hand:
        return self.grade.hand

    @property
    def forward(self) -> Pass:
        return self.grade.hand.forward

    @property
    def node(self) -> Bind:
        assert self.grade.hand.node is not None
        return self.grade.hand.node

    @property
    def made(self) -> Tensor:
        """What the gradient comes to with this statement, right gradients upstream."""
        return self.makes(0)

    def added(self, view: int) -> Tensor:
        """Return what the statement alone added to what stood there before it."""
        seen = self.views[view]
        after, before = seen.moment.after, seen.before
        return after - before if before is not None and before.shape == after.shape else after

    def makes(self, view: int) -> Tensor:
        """Return the same in another scene."""
        if view not in self._made:
            seen = self.views[view]
            found = self._run(self.unit.text, seen) if self.unit is not None else None
            self._made[view] = seen.moment.after if found is None else found
        return self._made[view]

    @property
    def right(self) -> Tensor:
        """What it should come to."""
        return self.views[0].right

    @property
    def noise(self) -> Tensor:
        return self.forward.noise[self.node.index]

    @property
    def dtype(self) -> torch.dtype:
        return self.grade.value.dtype

    @cached_property
    def text(self) -> Text | None:
        """The statement to be rewritten; None where it cannot be run again."""
        if self.unit is None or not self.views or not self.repeats:
            return None
        return Text(self.unit.text, self.unit.tree)

    @cached_property
    def repeats(self) -> bool:
        """Whether the statement, run again, makes what it made."""
        if self.unit is None:
            return False
        tree = ast.parse(self.unit.source(self.unit.text) + "\n" + self.rest)
        if not calls_only_libraries(tree, self.views[0].moment.names):
            return False
        view = self.views[0]
        found, after = self._alone(self.unit.text, view), view.moment.after
        return found is not None and found.shape == after.shape and _close(found, after)

    @property
    def is_looped(self) -> bool:
        """Whether the statement is run with the loop that it stands in."""
        return self.unit is not None and bool(self.unit.head)

    @cached_property
    def allowed(self) -> int:
        """How many lines may be tried."""
        return int(min(TRIES, WORK / max(1, 20 * self.right.numel())))

    def value(self, expression: str, view: int = 0) -> Any:
        """Return what an expression is worth where the statement stands, None where it raises."""
        try:
            return self.views[view].runner.value(expression)
        except Exception:
            return None

    def tensor(self, name: str) -> Tensor | None:
        """Return the floating tensor that a name stands for here."""
        found = self.views[0].moment.names.get(name)
        return found if isinstance(found, Tensor) and found.is_floating_point() else None

    def mends(self, text: str | None) -> bool:
        """Tell whether `text` in the statement's place makes what is right, in every scene."""
        if text is None or self.text is None or text == self.text.text:
            return False
        if text not in self._tried:
            if len(self._tried) >= self.allowed:
                return False
            self._tried[text] = all(self._right(text, view) for view in self.views)
        return self._tried[text]

    def would(self, text: str) -> bool:
        """Tell whether `text` makes what is right even where the user's own cannot be run again."""
        return all(self._right(text, view) for view in self.views)

    def first(self, texts: Iterator[str]) -> str | None:
        """Return the first of the texts that mends the line."""
        return next((text for text in texts if self.mends(text)), None)

    def checked(self, finding: Finding) -> Literal["exact", "rounding"]:
        """Return what the corrected line gives in the user's own dtype, beside autograd's bits."""
        own = self.forward.autograd.get(self.node.index)
        if self.native is None or own is None or finding.fix is None or self.unit is None:
            return "rounding"
        text = finding.fix
        if finding.adds:
            made = self._run(self.unit.text, self.native)
            found = self._later(text, self.backward.native, made, None)
        elif finding.at is not None:
            return "rounding"
        else:
            found = self._run(text, self.native)
        return "exact" if found is not None and same_bits(found, own) else "rounding"

    def mends_later(self, rest: str) -> bool:
        """Tell whether other statements in the place of the gradient's later ones mend it."""
        if rest not in self._tried:
            if len(self._tried) >= self.allowed or self.text is None:
                return False
            self._tried[rest] = all(self._right(self.text.text, v, rest) for v in self.views)
        return self._tried[rest]

    def completes(self, line: str) -> bool:
        """Tell whether `line`, below all that the backward pass has, makes the gradient right."""
        if line not in self._tried:
            if len(self._tried) >= self.allowed:
                return False
            made = (self._later(line, scene, self.makes(i), torch.float64)
                    for i, scene in enumerate(self.backward.scenes[: len(self.views)]))  # fmt: skip
            self._tried[line] = all(
                m is not None and self.is_right(m, i) for i, m in enumerate(made)
            )
        return self._tried[line]

    def is_right(self, value: Tensor, view: int = 0) -> bool:
        """Tell whether a value is what this gradient should be in that scene."""
        return self._agrees(value, self.views[view])

    def _right(self, text: str, view: View, rest: str | None = None) -> bool:
        found = self._run(text, view, rest)
        return found is not None and self._agrees(found, view)

    def _agrees(self, value: Tensor, view: View) -> bool:
        if value.shape != view.right.shape or value.is_complex():
            return False
        if view is self.views[0]:
            return formula_is_right(value.double(), view.right, self.noise, self.dtype)
        return _close(value.double(), view.right)

    def _run(self, text: str, view: View, rest: str | None = None) -> Tensor | None:
        found, rest = self._alone(text, view), self.rest if rest is None else rest
        if found is None or not rest:
            return found
        try:
            return view.finish.run(rest, self.hand.name, found)
        except Exception:
            return None

    def _later(
        self, line: str, scene: Scene | None, made: Tensor | None, dtype: torch.dtype | None
    ) -> Tensor | None:
        if scene is None or scene.late is None or made is None:
            return None
        try:
            return Runner(scene.late, dtype).run(line, self.hand.name, made)
        except Exception:  # as above
            return None

    def _alone(self, text: str, view: View) -> Tensor | None:
        source = text if self.unit is None else self.unit.source(text)
        try:
            return view.runner.run(source, self.hand.name, view.before)
        except Exception:  # whatever a line that nobody wrote may lead to
            return None


@dataclass
class Backward:
    """What all suspects of one pass share: the scenes, and what each consumer sends back."""

    forward: Pass
    scenes: tuple[Scene, ...]
    native: Scene | None
    random: Mapping[int, Tensor]
    """By the id of the node's tensor."""
    parts: Mapping[int, Mapping[int, tuple[Tensor, ...]]]
    """Node -> consumer -> what it sends back in each scene, by the tensors' ids."""
    consumers: Mapping[int, set[int]]
    hands: Mapping[int, Hand]
    """The gradients by hand, by the id of the node's tensor."""


def suspects(grade: Grade, backward: Backward) -> Iterator[Suspect]:
    """Yield the statements to blame for one gradient, ready to be asked."""
    groups = grouped(grade.hand)
    for statement in grade.blamed.statements or [grade.hand.own_final().statement]:
        at = next((i for i, (s, _) in enumerate(groups) if s is statement), None)
        if at is not None:
            yield _suspect(grade, at, backward)
        elif statement is grade.alias:  # it is another gradient's statement
            yield replace(_suspect(grade, -1, backward), statement=statement, unit=None)


def _suspect(grade: Grade, at: int, backward: Backward) -> Suspect:
    hand, forward = grade.hand, backward.forward
    groups = grouped(hand)
    statement, binds = groups[at]
    final = hand.own_final()
    looped = len(binds) > 1
    unit = unit_of(statement, looped)
    later = groups[at + 1 :] if at >= 0 else []
    rest = "\n".join(s.text for s, _ in later)
    if any(len(b) > 1 for _, b in later):
        unit = None  # a loop follows: what comes of this statement alone cannot be told
    assert hand.node is not None
    number = id(hand.node.value)
    rights = [forward.truth[hand.node.index]]
    parts = _parts(number, backward)
    direct = all(
        id(backward_hand.node.value) in backward.consumers.get(number, ())
        for backward_hand in backward.hands.values()
        if backward_hand.number in grade.reads and backward_hand.node is not None
    )
    whole = parts and all(p.hand is not None for p in parts)
    memory = [key_of(h.own_final().value) for h in backward.hands.values()]
    read = [key_of(h.own_final().value) for h in backward.hands.values() if h.number in grade.reads]
    apart = all(
        memory.count(key) == 1 for key in read
    )  # else one random gradient overwrites another
    if len(backward.scenes) > 1 and direct and whole and grade.reads and apart:
        rights.append(torch.stack([p.values[1] for p in parts]).sum(0))
    scenes = zip(backward.scenes, rights, strict=False)
    views = tuple(
        v for scene, right in scenes
        if (v := _view(scene, binds, final, right, torch.float64)) is not None
    )  # fmt: skip
    own = forward.autograd.get(hand.node.index)
    native = None
    if backward.native is not None and own is not None:
        native = _view(backward.native, binds, final, own, None)
    names = {b.name: b for b in forward.nodes() if b.kind != "param" or not hand.is_local()}
    gradients = {h.node.name: h.name for h in backward.hands.values() if h.node is not None}
    names_late = backward.scenes[0].late
    late = None if names_late is None else Runner(names_late)
    return Suspect(
        grade, statement, unit, views, parts, rest, native, late, names, gradients, backward
    )


def _view(
    scene: Scene, binds: list[Bind], final: Bind, right: Tensor, dtype: torch.dtype | None
) -> View | None:
    first, own = scene.moments.get(binds[0].index), scene.moments.get(binds[-1].index)
    last = scene.moments.get(final.index)
    if first is None or own is None or last is None:
        return None
    return View(own, Runner(own.names, dtype), Runner(last.names, dtype), first.before, right)


def _parts(number: int, backward: Backward) -> tuple[Part, ...]:
    found = []
    for consumer, values in backward.parts.get(number, {}).items():
        hand = backward.hands.get(consumer)
        name = backward.forward.name_of(consumer)
        found.append(Part(name, None if hand is None else hand.name, values))
    return tuple(found)


def _close(a: Tensor, b: Tensor) -> bool:
    scale = a.abs() + b.abs()
    far = (a - b).abs() <= CLOSE * (scale + scale.mean())
    return bool((far | (a == b) | (a.isnan() & b.isnan())).all())
