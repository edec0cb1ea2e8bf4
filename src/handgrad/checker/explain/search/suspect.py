"""One statement to blame: the gradient it computes, the correct one, and trials of other lines."""

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import ModuleType
from typing import Any, Literal

import torch
from torch import Tensor

from handgrad.checker.closeness import close
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.names import NamesAt
from handgrad.checker.explain.search.rates import at_any_rate
from handgrad.checker.explain.search.runner import NOTHING, LineRunner
from handgrad.checker.explain.search.scene import BackwardContext, ConsumerShare, Scene, View
from handgrad.checker.explain.search.unit import Unit, calls_only_libraries
from handgrad.checker.judge.grade import Grade
from handgrad.checker.pairs.hands import Pair
from handgrad.checker.passes.compare import formula_is_right, same_bits
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind

TRIES = 900
"""So many lines are run in the place of one; at large sizes fewer, see WORK."""
WORK = 1e9
"""Elements that may be computed in search of one line's cause: some seconds of one core."""
STEP = 20_000
"""What an iteration of a loop costs, in elements: Python's own work."""


@dataclass
class Suspect:
    """Evidence about one statement. `views` has the true scene first, then the random one.

    Without views, its names were not recorded: no cause is tried.
    """

    grade: Grade
    statement: Statement
    unit: Unit | None
    views: tuple[View, ...]
    parts: tuple[ConsumerShare, ...]
    rest: str
    """The gradient's later statements, to be run after this one."""
    native: View | None
    names: Mapping[str, Bind]
    """The forward's nodes by name, as this statement sees them."""
    gradients: Mapping[str, str]
    """Node -> the name of its gradient by hand."""
    backward: BackwardContext
    frame: Mapping[str, object] | None = None
    """For a line inside a called function: the user's values of the names there."""
    through: bool = False
    """Whether it makes no gradient that is known, but what a line below makes one of."""
    others: tuple["Suspect", ...] = ()
    """The same line, as others read what it makes."""
    _tried: dict[str, bool] = field(default_factory=dict)
    _made: dict[int, Tensor] = field(default_factory=dict)
    kept: dict[Callable[..., Any], Any] = field(default_factory=dict)
    """The results of functions that are computed once."""

    @property
    def hand(self) -> Pair:
        return self.grade.hand

    @property
    def forward(self) -> Pass:
        return self.grade.hand.forward

    @cached_property
    def node(self) -> Bind:
        """The node, under the name that it has where the statement stands."""
        node, inner = self.grade.hand.node, (self.frame or {}).items()
        called = [name for name, value in inner if value is node.value]
        called = called or [n for n, b in self.names.items() if b.value is node.value]
        return node if not called or node.name in called else replace(node, name=called[-1])

    @property
    def made(self) -> Tensor:
        """The gradient with this statement, given correct upstream gradients."""
        return self.makes(0)

    def added(self, view: int) -> Tensor:
        """Return what the statement alone added to the previous value."""
        after, before = self.views[view].moment.after, self.views[view].before
        return after - before if before is not None and before.shape == after.shape else after

    def makes(self, view: int) -> Tensor:
        """Return the gradient with this statement in a scene."""
        if view not in self._made:
            after = self.views[view].moment.after
            found = self._finished(after, self.views[view]) if self.is_safe else None
            self._made[view] = after if found is None else found
        return self._made[view]

    @property
    def right(self) -> Tensor:
        """The correct gradient."""
        return self.views[0].right

    @property
    def scope(self) -> NamesAt:
        """The names where the statement stands."""
        return self.views[0].moment.names

    @property
    def reads(self) -> list[Pair]:
        """The other gradients that the statement reads."""
        hands = self.backward.hands.values()
        return [h for h in hands if h.number in self.grade.reads and h is not self.hand]

    @property
    def noise(self) -> Tensor:
        return self.forward.noise[self.node.index]

    @property
    def dtype(self) -> torch.dtype:
        return self.grade.value.dtype

    @cached_property
    def text(self) -> Text | None:
        """The statement to rewrite; None if it cannot run again."""
        return self.shown if self.repeats else None

    @property
    def shown(self) -> Text | None:
        """The statement to read, whether or not it can run again."""
        if self.unit is None:
            return None
        modules = {n for n in self.scope if isinstance(self.scope.given(n), ModuleType)}
        return Text(self.unit.text, self.unit.tree, modules, self.statement.source)

    @cached_property
    def repeats(self) -> bool:
        """Whether the statement gives the same result when it runs again."""
        return self.is_safe and self._repeats(self.views[0])

    @cached_property
    def is_safe(self) -> bool:
        """Whether running it and the later statements again has no side effects."""
        if self.unit is None:
            return False
        tree = ast.parse(self.unit.source(self.unit.text) + "\n" + self.rest)
        return calls_only_libraries(tree, self.scope.outer)

    @cached_property
    def trials(self) -> range:
        """The scenes in which other lines are tried: those in which the user's line repeats.

        A loop that computes its own upstream gradients cannot run with random ones.
        """
        everywhere = not self.is_looped or all(map(self._repeats, self.views[1:]))
        return range(len(self.views) if everywhere else 1)

    def is_right_with(self, given: Mapping[str, Any], view: int) -> bool:
        """Tell whether the statement is correct with other values for some names."""
        assert self.unit is not None
        found = self._run(self.unit.text, self.views[view], given=given)
        return found is not None and self.is_right(found, view)

    def _repeats(self, view: View) -> bool:
        assert self.unit is not None
        found, after = self._alone(self.unit.text, view), view.moment.after
        return found is not None and close(found, after)

    @property
    def is_looped(self) -> bool:
        """Whether the statement runs with the loop around it."""
        return self.unit is not None and self.unit.loop is not None

    @cached_property
    def allowed(self) -> int:
        """Maximum number of lines to try."""
        loops = sum(b.statement == self.statement for b in self.hand.binds) * STEP
        return int(min(TRIES, WORK / max(1, 20 * self.right.numel(), loops)))

    def value(self, expression: str, view: int = 0) -> Any:
        """Return the value of an expression at the statement, None if it raises."""
        return self.views[view].runner.value(expression)

    def tensor(self, name: str) -> Tensor | None:
        """Return the floating-point tensor of that name here, or None."""
        found = self.scope.get(name)
        return found if isinstance(found, Tensor) and found.is_floating_point() else None

    def corrects(self, text: str) -> bool:
        """Tell whether `text` instead of the statement is correct in every scene."""
        if self.text is None or text == self.text.text:
            return False
        return self._once(
            text,
            lambda: (
                all(self._right(text, view) for view in self.trials)
                and all(other.corrects(text) for other in self.others)
            ),
        )

    def result(self, text: str) -> Tensor | None:
        """Return the gradient with `text` instead of the statement."""
        return self._run(text, self.views[0])

    def would(self, text: str, rest: str | None = None) -> bool:
        """Tell the same where the user's own statement cannot run again, or before another rest."""
        return all(self._right(text, view, rest) for view in range(len(self.views)))

    def first(self, texts: Iterable[str]) -> str | None:
        """Return the first text that gives the correct gradient."""
        return next((text for text in texts if self.corrects(text)), None)

    def checked(self, finding: Finding) -> Literal["exact", "rounding"]:
        """Return the verdict on the corrected line in the user's dtype, by autograd's bits."""
        autograd = self.forward.autograd.get(self.node.index)
        if self.native is None or autograd is None or finding.fix is None or self.unit is None:
            return "rounding"
        if finding.adds:
            made = self.natively(self.unit.text)
            found = self._later(finding.fix, self.backward.native, made, None)
        else:
            found = self.natively(finding.fix) if finding.at is None else None
        return "exact" if found is not None and same_bits(found, autograd) else "rounding"

    def corrects_later(self, rest: str) -> bool:
        """Tell whether other later statements make the gradient correct."""
        text = self.text
        return text is not None and self._once(rest, lambda: self.would(text.text, rest))

    def completes(self, line: str) -> bool:
        """Tell whether `line`, added below the backward pass, makes the gradient correct."""

        def completes(view: int) -> bool:
            scene = self.backward.scenes[view]
            found = self._later(line, scene, self.makes(view), torch.float64)
            return found is not None and self.is_right(found, view)

        return self._once(line, lambda: all(map(completes, range(len(self.views)))))

    def _once(self, text: str, succeeds: Callable[[], bool]) -> bool:
        """Try a text unless it was tried before, or too many were."""
        if text not in self._tried:
            if len(self._tried) >= self.allowed:
                return False
            self._tried[text] = succeeds()
        return self._tried[text]

    def natively(self, text: str) -> Tensor | None:
        """Return the result of a text in the user's dtype, if it can run there."""
        return None if self.native is None else self._run(text, self.native)

    def is_right(self, value: Tensor, view: int = 0) -> bool:
        """Tell whether a value is the correct gradient in that scene."""
        right = self.views[view].right
        if value.shape != right.shape or value.is_complex():
            return False
        part = self.forward.parts_of.get(id(self.hand.node.value))
        if part is not None and part.within is None:
            value = at_any_rate(value, right)
        if view == 0:
            return formula_is_right(value.double(), right, self.noise, self.dtype)
        return close(value.double(), right)

    def _right(self, text: str, view: int, rest: str | None = None) -> bool:
        found = self._run(text, self.views[view], rest)
        return found is not None and self.is_right(found, view)

    def _run(
        self, text: str, view: View, rest: str | None = None, given: Mapping[str, Any] = NOTHING
    ) -> Tensor | None:
        found = self._alone(text, view, given)
        return None if found is None else self._finished(found, view, rest, given)

    def _finished(
        self, made: Tensor, view: View, rest: str | None = None, given: Mapping[str, Any] = NOTHING
    ) -> Tensor | None:
        """Return the result of the gradient's later statements (or `rest` instead) on it."""
        rest = self.rest if rest is None else rest
        return view.finish.run(rest, self._target, made, given) if rest else made

    def _later(
        self, line: str, scene: Scene | None, made: Tensor | None, dtype: torch.dtype | None
    ) -> Tensor | None:
        if scene is None or scene.late is None or made is None:
            return None
        return LineRunner(scene.late, dtype).run(line, self.hand.name, made)

    def _alone(self, text: str, view: View, given: Mapping[str, Any] = NOTHING) -> Tensor | None:
        source = text if self.unit is None else self.unit.source(text)
        before = view.memory if view.before is None else view.before
        return view.runner.run(source, self._target, before, {**view.given, **given})

    @property
    def _target(self) -> str:
        """The expression that reads the gradient."""
        return self.hand.name if self.unit is None else self.unit.target
