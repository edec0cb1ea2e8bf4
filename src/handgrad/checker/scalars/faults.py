"""Find the line to blame for a wrong rule, and what corrects it."""

import ast
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from types import CodeType

from handgrad.checker.scalars.closed import Observed, added, known, rewritten
from handgrad.checker.scalars.edits import SIMPLE, Edit, Place, edits
from handgrad.checker.scalars.judge import FEWEST, Bench, Experiment, Rule
from handgrad.checker.scalars.operations import Operation

Lines = set[tuple[int, int]]
TRIES = 4000
SECONDS = 5.0
"""For one line to blame; most are found within the first hundred tries."""
CONTROLS = 2
"""So many points of each correct rule are run again with a changed line."""


@dataclass
class Fault:
    """A line to blame, and the wrong rules that it explains."""

    rules: list[Rule]
    place: Place | None
    edit: Edit | None = None
    shared: bool = False
    """Whether most operations run the line: it is no operation's own."""


@dataclass
class Faults:
    """The search for the lines to blame on one bench."""

    bench: Bench
    _lines: dict[str, tuple[Lines, Lines]] = field(default_factory=dict)

    def lines(self, operation: Operation) -> Lines:
        """Return the lines (part, line) that an operation runs, forward and backward."""
        if operation.label not in self._lines:
            self._lines[operation.label] = self.bench.lines(operation)
        forward, backward = self._lines[operation.label]
        return forward | backward

    def find(self) -> list[Fault]:
        """Return the faults, at least one for each wrong rule that inherits from no other."""
        wrong = [r for r in self.bench.rules if not r.right]
        labels = {r.operation.label for r in wrong}
        roots = [r for r in wrong if not labels.intersection(self._inner(r))]
        found: list[Fault] = []
        for rule in roots:
            if any(rule in fault.rules for fault in found):
                continue
            fault = self._search(rule)
            if fault.edit is not None and fault.place is not None:
                code = fault.place.part.compiled(fault.edit.text)
                changed = ((fault.place.part.number, code),)
                explained = {id(r) for f in found for r in f.rules}
                fault.rules += [
                    r
                    for r in roots
                    if r is not rule and id(r) not in explained and self._corrects(r, changed)
                ]
            found.append(fault)
        return found

    def _inner(self, rule: Rule) -> list[str]:
        return self.bench.made_of[rule.operation.label]

    def _search(self, rule: Rule) -> Fault:
        """Try changes of the statements that the operation runs, its own first."""
        places = list(self.places(rule))
        ending = time.monotonic() + SECONDS
        for place, edit in islice(self._candidates(rule, places), TRIES):
            if time.monotonic() > ending:
                break
            code = _compiled(place, edit)
            if code is None:
                continue
            changed = ((place.part.number, code),)
            if self._corrects(rule, changed) and self._keeps(rule, changed):
                return Fault([rule], place, edit, self._is_shared(place))
        own = [p for p in places if not self._is_shared(p)]
        return Fault([rule], _likely(own or places, rule, self.bench.engine.driver.reader))

    def _candidates(self, rule: Rule, places: Sequence[Place]) -> Iterator[tuple[Place, Edit]]:
        own = [p for p in places if not self._is_shared(p)]
        rest = [p for p in places if self._is_shared(p)]
        templates = known(self._observed(rule))
        operand = rule.operation.parameter(rule.position)
        for place in own:
            yield from ((place, e) for e in edits(place))
        for place in rest:
            yield from ((place, e) for e in edits(place))
        for place in own:
            yield from ((place, e) for e in rewritten(place, templates))
        for place in own if rule.untouched else ():
            yield from ((place, e) for e in added(place, operand, templates))

    def _observed(self, rule: Rule) -> list[Observed]:
        found: list[Observed] = []
        first = rule.experiments[0]
        for sample in rule.found[first.name]:
            other = sample.point[1 - first.leaf] if first.n_leaves == 2 else 0.0
            x, truth = sample.point[first.leaf], sample.truth[first.leaf]
            found.append((x, other, sample.value, truth))
        return found

    def places(self, rule: Rule) -> Iterator[Place]:
        """Yield the statements that the operation runs, those of the fewest others first."""
        engine = self.bench.engine
        mine = self.lines(rule.operation)
        backward = self._lines[rule.operation.label][1]
        names = engine.definitions.fresh()
        skip = frozenset(
            n for n, v in names.items() if callable(v) or type(v) is type(ast) or n[:2] == "__"
        )
        found: dict[int, tuple[tuple[bool, bool, int], Place]] = {}
        for number, line in sorted(mine):
            part = engine.definitions.parts[number]
            statement = _statement(part.tree, line)
            if statement is None or id(statement) in found:
                continue
            last = statement.end_lineno or statement.lineno
            lines = frozenset(n for p, n in mine if p == number and statement.lineno <= n <= last)
            place = Place(part, statement, lines, engine.value, engine.driver.reader, skip)
            is_forward = not any((number, n) in backward for n in lines)
            found[id(statement)] = ((self._is_shared(place), is_forward, self._others(rule, place)), place)
        for _, place in sorted(found.values(), key=lambda pair: pair[0]):
            yield place

    def _others(self, rule: Rule, place: Place) -> int:
        """Return how many operations run the statement, beside those composed of this one."""
        label = rule.operation.label
        return sum(
            self._runs(operation, place)
            for other, operation in self.bench.operations.items()
            if other != label and label not in self.bench.made_of[other]
        )

    def _runs(self, operation: Operation, place: Place) -> bool:
        return any((place.part.number, n) in self.lines(operation) for n in place.lines)

    def _is_shared(self, place: Place) -> bool:
        """Tell whether every operation runs the statement."""
        every = self.bench.operations.values()
        return len(every) > 1 and all(self._runs(operation, place) for operation in every)

    def _corrects(self, rule: Rule, changed: tuple[tuple[int, CodeType], ...]) -> bool:
        """Tell whether every experiment is right with a changed line, and its values the same."""
        failing = [e for e, _ in rule.failing()]
        ordered = sorted(rule.experiments, key=lambda e: e not in failing)
        return all(self._right(rule, e, changed, len(rule.found[e.name])) for e in ordered)

    def _right(
        self,
        rule: Rule,
        experiment: Experiment,
        changed: tuple[tuple[int, CodeType], ...],
        wanted: int,
    ) -> bool:
        before = {s.point: s.value for s in rule.found[experiment.name]}
        ran = 0
        for sample in experiment.samples(self.bench.engine, changed, wanted):
            ran += 1
            same = before.get(sample.point) == sample.value
            if not (same and sample.right(experiment.leaf)):
                return False
        return ran >= min(wanted, FEWEST)

    def _keeps(self, rule: Rule, changed: tuple[tuple[int, CodeType], ...]) -> bool:
        """Tell whether the correct rules stay correct with a changed line."""
        return all(
            self._right(other, e, changed, CONTROLS)
            for other in self.bench.rules
            if other is not rule and other.right
            for e in other.experiments
            if other.found[e.name]
        )


def _compiled(place: Place, edit: Edit) -> CodeType | None:
    try:
        return place.part.compiled(edit.text)
    except (SyntaxError, ValueError):
        return None


def _statement(tree: ast.stmt, line: int) -> ast.stmt | None:
    """Return the innermost statement on a line, or the compound statement that it begins."""
    found: ast.stmt | None = None
    for node in ast.walk(tree):
        if isinstance(node, SIMPLE) and node.lineno <= line <= (node.end_lineno or node.lineno):
            found = node
        if isinstance(node, ast.If | ast.For | ast.While) and node.lineno == line:
            found = found or node
    return found


def _likely(places: Sequence[Place], rule: Rule, reader: str) -> Place | None:
    """Return the statement that sets the operand's gradient, or the last of the rule's own."""
    operand = rule.operation.parameter(rule.position)
    for place in places:
        node = place.statement
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in chain(targets):
            if isinstance(target, ast.Attribute) and ast.unparse(target) == f"{operand}.{reader}":
                return place
    simple = [p for p in places if isinstance(p.statement, SIMPLE)]
    return max(simple, key=lambda p: p.statement.lineno, default=None)
