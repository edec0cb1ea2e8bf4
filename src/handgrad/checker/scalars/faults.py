"""Find the line to blame for a wrong rule, and what corrects it."""

import ast
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import CodeType

from handgrad.checker.scalars.closed import Observed, added, known, rewritten
from handgrad.checker.scalars.edits import edits
from handgrad.checker.scalars.experiments import sample_at
from handgrad.checker.scalars.judge import Bench
from handgrad.checker.scalars.operations import Operation
from handgrad.checker.scalars.order import moved, turned
from handgrad.checker.scalars.place import SIMPLE, Edit, Place
from handgrad.checker.scalars.rule import Experiment, Rule

Lines = set[tuple[int, int]]
TRIES = 4000
SECONDS = 8.0
"""For one line to blame; most are found within the first hundred tries."""
ALL = 20.0
"""For all of them."""
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
    _ending: float = field(default_factory=lambda: time.process_time() + ALL)

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
        right = {r.operation.label for r in self.bench.rules if r.right} - labels
        everything = not right
        for rule in roots:
            if any(rule in fault.rules for fault in found) or time.process_time() > self._ending:
                continue
            fault = self._search(rule, everything or rule.of_graph)
            self._extend(fault, wrong, found)
            found.append(fault)
        return _merged(found, roots)

    def _extend(self, fault: Fault, wrong: Sequence[Rule], found: Sequence[Fault]) -> None:
        """Add the other wrong rules that the change corrects."""
        if fault.edit is None or fault.place is None:
            return
        explained = {id(r) for f in (*found, fault) for r in f.rules}
        rest = [r for r in wrong if id(r) not in explained]
        changed = ((fault.place.part.number, fault.place.part.compiled(fault.edit.text)),)
        fault.rules += [r for r in rest if self._corrects(r, changed)]

    def _inner(self, rule: Rule) -> list[str]:
        return self.bench.made_of[rule.operation.label]

    def _search(self, rule: Rule, shared: bool) -> Fault:
        """Try changes of what the operation runs; with `shared` first of what all of them run."""
        places = list(self.places(rule))
        ending = time.process_time() + SECONDS
        for place, edit in islice(self._candidates(rule, places, shared), TRIES):
            if time.process_time() > ending:
                break
            code = _compiled(place, edit)
            if code is None:
                continue
            changed = ((place.part.number, code),)
            if self._corrects(rule, changed) and self._keeps(rule, changed):
                is_shared = self.is_shared(place)
                if not is_shared or self._corrects_most(rule, changed):
                    return Fault([rule], place, edit, is_shared)
        own = [p for p in places if not self.is_shared(p)]
        if rule.of_graph:
            return Fault([rule], None, shared=True)
        return Fault([rule], likely(own or places, rule, self.bench.engine.driver.reader))

    def _candidates(
        self, rule: Rule, places: Sequence[Place], shared: bool
    ) -> Iterator[tuple[Place, Edit]]:
        own = [p for p in places if not self.is_shared(p)]
        rest = [p for p in places if self.is_shared(p)]
        if shared:
            for place in rest:
                yield from ((place, e) for e in edits(place))
            for place in rest:
                yield from ((place, e) for e in (*turned(place), *moved(place)))
        if rule.of_graph:
            return
        templates = known(self._observed(rule))
        operand = rule.operation.parameter(rule.position)
        is_set = any(sets(place, f"{operand}.{place.reader}") for place in own)
        for place in own if rule.untouched and not is_set else ():
            yield from ((place, e) for e in added(place, operand, templates))
        for place in own:
            yield from ((place, e) for e in edits(place))
        for place in own:
            yield from ((place, e) for e in rewritten(place, templates))
        for place in rest if not shared else ():
            yield from ((place, e) for e in edits(place))

    def _corrects_most(self, rule: Rule, changed: tuple[tuple[int, CodeType], ...]) -> bool:
        """Tell whether a change of what all operations run corrects the graph, and most rules."""
        graph = self.bench.graph
        if graph is not None and not self._corrects(graph, changed):
            return False
        others = [r for r in self.bench.rules if not r.right and r is not rule]
        return 2 * sum(self._corrects(r, changed) for r in others) >= len(others)

    def _observed(self, rule: Rule) -> list[Observed]:
        found: list[Observed] = []
        first = rule.experiments[0]
        if rule.of_graph:
            return []
        for sample in rule.found[first.name]:
            other = sample.point[1 - first.leaf] if first.n_leaves == 2 else 0.0
            x, truth = sample.point[first.leaf], sample.truth[first.leaf]
            found.append((x, other, sample.value, truth))
        return found

    def places(self, rule: Rule) -> Iterator[Place]:
        """Yield the statements that the operation runs, those of the fewest others first."""
        engine = self.bench.engine
        self.lines(rule.operation)
        forward, back = self.bench.lines(rule.operation, None if rule.of_graph else rule.position)
        mine = forward | back
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
            found[id(statement)] = (
                (self.is_shared(place), is_forward, self._others(rule, place)),
                place,
            )
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

    def is_shared(self, place: Place) -> bool:
        """Tell whether every operation runs the statement."""
        every = self.bench.operations.values()
        return len(every) > 1 and all(self._runs(operation, place) for operation in every)

    def _corrects(self, rule: Rule, changed: tuple[tuple[int, CodeType], ...]) -> bool:
        """Tell whether every experiment is right with a changed line, and its values the same."""
        failing = [e for e, _ in rule.failing()]
        ordered = sorted(rule.experiments, key=lambda e: e not in failing)
        return all(self._right(rule, e, changed) for e in ordered)

    def _right(
        self,
        rule: Rule,
        experiment: Experiment,
        changed: tuple[tuple[int, CodeType], ...],
        most: int | None = None,
    ) -> bool:
        """Tell whether a changed line is right where the experiment ran, with the same values."""
        before = rule.found[experiment.name]
        for was in before[:most]:
            now = sample_at(self.bench.engine, experiment.graph, was.point, changed)
            if now is None or now.value != was.value or not rule.accepts(experiment, now):
                return False
        more = experiment.samples(self.bench.engine, changed) if most is None else ()
        return all(rule.accepts(experiment, sample) for sample in more)

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


def likely(places: Sequence[Place], rule: Rule, reader: str) -> Place | None:
    """Return the statement that sets the operand's gradient, or the last of the rule's own."""
    gradient = f"{rule.operation.parameter(rule.position)}.{reader}"
    simple = [p for p in places if isinstance(p.statement, SIMPLE)]
    last = max(simple, key=lambda p: p.statement.lineno, default=None)
    return next((p for p in places if sets(p, gradient)), last)


def sets(place: Place, gradient: str) -> bool:
    """Tell whether a statement assigns or adds to `other.grad`."""
    node = place.statement
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return any(isinstance(t, ast.Attribute) and ast.unparse(t) == gradient for t in targets)


def _merged(faults: list[Fault], roots: Sequence[Rule]) -> list[Fault]:
    """Return one fault of the backward pass where several operations are wrong and no line is."""
    several = len({fault.rules[0].operation.label for fault in faults}) > 1
    if any(fault.edit is not None for fault in faults) or len(faults) < 3 or not several:
        return faults
    return [Fault(list(roots), None, shared=True)]
