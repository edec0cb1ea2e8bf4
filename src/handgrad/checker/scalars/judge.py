"""Judge the rule of each operation and the order of the graph, by experiments."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from handgrad.checker.scalars.definitions import Names
from handgrad.checker.scalars.engine import Engine
from handgrad.checker.scalars.experiments import (
    Changed,
    Graph,
    Sample,
    samples,
    traced,
)
from handgrad.checker.scalars.operations import NODE, Form, Operation, operations

JOINS = ("__mul__", "mul", "__truediv__", "__sub__", "__add__", "add")
"""Operations that connect results, those whose derivative is not 1 first."""
FEWEST = 3
"""So many points at least must show a rule right or wrong."""


def alone(operation: Operation, form: Form) -> Graph:
    """Return the graph of one call."""
    return lambda names, leaves: operation(names, form.fill(leaves))


@dataclass(frozen=True)
class Experiment:
    """A graph around one operation. `leaf` is the operand whose gradient it shows."""

    name: str
    graph: Graph
    n_leaves: int
    leaf: int

    def samples(self, engine: Engine, changed: Changed = (), wanted: int = 12) -> Iterator[Sample]:
        return samples(engine, self.graph, self.n_leaves, changed, wanted)


@dataclass
class Rule:
    """The gradient that one operation gives to one of its operands."""

    operation: Operation
    position: int
    """Of the operand."""
    experiments: list[Experiment] = field(default_factory=list)
    found: dict[str, list[Sample]] = field(default_factory=dict)

    def judge(self, engine: Engine) -> None:
        """Run the experiments."""
        for experiment in self.experiments:
            if experiment.name not in self.found:
                self.found[experiment.name] = list(experiment.samples(engine))

    def failing(self) -> list[tuple[Experiment, Sample]]:
        """Return the samples that show the rule wrong."""
        return [
            (e, s) for e in self.experiments for s in self.found[e.name] if not s.right(e.leaf)
        ]

    @property
    def right(self) -> bool:
        return not self.failing()

    @property
    def n_samples(self) -> int:
        return max((len(found) for found in self.found.values()), default=0)

    @property
    def judged(self) -> bool:
        return self.n_samples >= FEWEST and not self.is_constant

    @cached_property
    def is_constant(self) -> bool:
        """Whether the operation has no slope anywhere, as rounding: its gradient is a choice."""
        every = [s.truth[e.leaf] for e in self.experiments for s in self.found[e.name]]
        return not any(abs(slope) > 1e-9 for slope in every)

    @property
    def untouched(self) -> bool:
        """Whether the rule never gives the operand any gradient."""
        every = [s.made[e.leaf] for e in self.experiments for s in self.found[e.name]]
        return not any(every)


class Bench:
    """The operations of one engine with what the experiments show."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.rules: list[Rule] = []
        self.forms: dict[str, list[Form]] = {}
        self.operations = {op.label: op for op in operations(engine)}
        for label, operation in list(self.operations.items()):
            self._alone(label, operation)
        self.join = self._join()
        for rule in self.rules:
            rule.experiments += self._contexts(rule)
            rule.judge(engine)
        self.rules = [rule for rule in self.rules if rule.judged]

    def _alone(self, label: str, operation: Operation) -> None:
        forms = [form for form in operation.forms() if self._takes(operation, form)]
        if not forms:
            del self.operations[label]
            return
        self.forms[label] = forms
        rules: dict[int, Rule] = {}
        for number, form in enumerate(forms):
            for leaf, position in enumerate(form.nodes):
                rule = rules.setdefault(position, Rule(operation, position))
                name = f"alone {number}"
                n_leaves = len(form.nodes)
                rule.experiments.append(Experiment(name, alone(operation, form), n_leaves, leaf))
        for rule in rules.values():
            rule.judge(self.engine)
            self.rules.append(rule)

    def _takes(self, operation: Operation, form: Form) -> bool:
        found = list(samples(self.engine, alone(operation, form), len(form.nodes), wanted=FEWEST))
        return len(found) == FEWEST and any(any(s.made) for s in found)

    def _join(self) -> Operation | None:
        for name in JOINS:
            for label, operation in self.operations.items():
                rules = [r for r in self.rules if r.operation is operation]
                two = Form((NODE, NODE)) in self.forms[label]
                if operation.name == name and two and all(r.right for r in rules):
                    return operation
        return None

    def _contexts(self, rule: Rule) -> Iterator[Experiment]:
        """Yield graphs in which the upstream gradient is not 1, or an operand is used twice."""
        join, operation = self.join, rule.operation
        if join is None:
            return
        for number, form in enumerate(self.forms[operation.label][:2]):
            if rule.position not in form.nodes:
                continue
            leaf, n = form.nodes.index(rule.position), len(form.nodes)

            def upstream(names: Names, leaves: Sequence[Any], form: Form = form) -> Any:
                assert join is not None
                first = operation(names, form.fill(leaves[:-1]))
                weighted = join(names, [first, leaves[-1]])
                return join(names, [weighted, leaves[-1]]) if join.name == "__add__" else weighted

            def twice(
                names: Names, leaves: Sequence[Any], form: Form = form, leaf: int = leaf, n: int = n
            ) -> Any:
                assert join is not None
                again = [x if i == leaf else leaves[n + i] for i, x in enumerate(leaves[:n])]
                first = operation(names, form.fill(leaves[:n]))
                second = operation(names, form.fill(again))
                return join(names, [first, join(names, [second, leaves[2 * n]])])

            yield Experiment(f"upstream {number}", upstream, n + 1, leaf)
            yield Experiment(f"twice {number}", twice, 2 * n + 1, leaf)

    def lines(self, operation: Operation) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
        """Return the lines (part, line) that run forward and backward, in every form."""
        forward: set[tuple[int, int]] = set()
        backward: set[tuple[int, int]] = set()
        for form in self.forms[operation.label]:
            f, b, _ = traced(self.engine, alone(operation, form), len(form.nodes))
            forward |= f
            backward |= b
        return forward, backward

    @cached_property
    def made_of(self) -> dict[str, list[str]]:
        """The operations that each operation is composed of, by their labels."""
        known = {
            (op.part.number, op.function.lineno): label for label, op in self.operations.items()
        }
        found = {}
        for label, operation in self.operations.items():
            inner: list[str] = []
            for form in self.forms[label]:
                _, _, entered = traced(self.engine, alone(operation, form), len(form.nodes))
                for name in entered:
                    number, line, _ = name.split(":")
                    other = known.get((int(number), int(line)))
                    if other is not None and other != label and other not in inner:
                        inner.append(other)
            found[label] = inner
        return found
