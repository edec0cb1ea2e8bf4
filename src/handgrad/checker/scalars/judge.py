"""Judge the rule of each operation and the order of the graph, by experiments."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from handgrad.checker.scalars.definitions import Names
from handgrad.checker.scalars.engine import Engine
from handgrad.checker.scalars.experiments import (
    points,
    samples,
    traced,
)
from handgrad.checker.scalars.limit import Late, limited
from handgrad.checker.scalars.nodes import reachable
from handgrad.checker.scalars.operations import NODE, Form, Operation, operations
from handgrad.checker.scalars.rule import FEWEST, Experiment, Rule, alone

JOINS = ("__mul__", "mul", "__truediv__", "__sub__", "__add__", "add")
"""Operations that connect results, those whose derivative is not 1 first."""


class Bench:
    """The operations of one engine with what the experiments show."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.rules: list[Rule] = []
        self.forms: dict[str, list[Form]] = {}
        self.operations = {op.label: op for op in operations(engine)}
        for label, operation in list(self.operations.items()):
            self._alone(label, operation)
        self.rules = [rule for rule in self.rules if self._is_meant(rule)]
        self.trusted = True
        self.join = self._join()
        for rule in self.rules:
            rule.experiments += self._contexts(rule)
            rule.judge(engine)
        self.rules = [rule for rule in self.rules if rule.judged]
        self.graph = self._graph()
        joined = self.join is not None and all(r.right for r in self._of(self.join))
        if self.graph is not None and joined:
            self.rules.append(self.graph)

    def _is_meant(self, rule: Rule) -> bool:
        """Tell whether the operand is to have a gradient: it has some, or the result leads to it.

        An engine may take the exponent of a power for a constant.
        """
        if not rule.untouched:
            return True
        form = next(f for f in self.forms[rule.operation.label] if rule.position in f.nodes)
        leaf = form.nodes.index(rule.position)
        return self._connected(rule.operation, form)[leaf]

    def _of(self, operation: Operation | None) -> list[Rule]:
        return [rule for rule in self.rules if rule.operation is operation]

    def _graph(self) -> Rule | None:
        """Return the rule of the whole backward pass, judged on graphs that share nodes."""
        join = self.join or next(iter(self._candidates()), None)
        if join is None:
            return None

        def shared(names: Names, leaves: Sequence[Any]) -> Any:
            a, b, c = leaves
            first = join(names, [a, b])
            return join(names, [join(names, [first, c]), first])

        def before(names: Names, leaves: Sequence[Any]) -> Any:
            a, b, c = leaves
            first = join(names, [a, b])
            return join(names, [first, join(names, [c, join(names, [first, a])])])

        def ladder(names: Names, leaves: Sequence[Any]) -> Any:
            first, second, _ = leaves
            for _ in range(3):
                first, second = second, join(names, [first, second])
            return join(names, [join(names, [second, first]), second])

        rule = Rule(join, -1)
        for graph in (shared, before, ladder):
            rule.experiments += [Experiment(graph.__name__, graph, 3, leaf) for leaf in range(2)]
        rule.judge(self.engine)
        return rule if rule.judged else None

    def _alone(self, label: str, operation: Operation) -> None:
        forms = [form for form in operation.forms() if self._takes(operation, form)]
        if not forms:
            del self.operations[label]
            return
        if self._is_identity(operation, forms[0]):
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
        if len(found) < FEWEST:
            return False
        return any(any(s.made) for s in found) or any(self._connected(operation, form))

    def _connected(self, operation: Operation, form: Form) -> list[bool]:
        """Return whether the result leads to each of its operands that are nodes."""
        for point in points(len(form.nodes)):
            names = self.engine.definitions.fresh()
            try:
                with limited():
                    leaves = [self.engine.leaf(names, x) for x in point]
                    reached = reachable(operation(names, form.fill(leaves)))
                return [id(leaf) in reached for leaf in leaves]
            except (Exception, Late):
                continue
        return [False for _ in form.nodes]

    def _is_identity(self, operation: Operation, form: Form) -> bool:
        """Tell whether it returns its operand, as a function that converts numbers does."""
        names = self.engine.definitions.fresh()
        leaves = [self.engine.leaf(names, 1.25) for _ in form.nodes]
        try:
            with limited():
                return any(operation(names, form.fill(leaves)) is leaf for leaf in leaves)
        except (Exception, Late):
            return False

    def _join(self) -> Operation | None:
        """Return the operation that connects results: one that passes gradients on rightly.

        Where there is none, one that is right as the last operation of a graph; it is not
        `trusted` anywhere else.
        """
        usable = [
            op for op in self._candidates() if all(r.right for r in self._of(op)) and self._of(op)
        ]
        for operation in usable:
            self.join = operation
            rules = self._of(operation)
            if all(
                s.right(e.leaf)
                for r in rules
                for e in self._contexts(r)
                for s in e.samples(self.engine)
            ):
                return operation
        self.trusted = False
        return usable[0] if usable else None

    def _candidates(self) -> list[Operation]:
        return [
            operation
            for name in JOINS
            for label, operation in self.operations.items()
            if operation.name == name and Form((NODE, NODE)) in self.forms[label]
        ]

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
                flat = join.name.strip("_") == "add"  # its derivative is 1: use it twice
                return join(names, [first, first if flat else leaves[-1]])

            def twice(
                names: Names, leaves: Sequence[Any], form: Form = form, leaf: int = leaf, n: int = n
            ) -> Any:
                assert join is not None
                again = [x if i == leaf else leaves[n + i] for i, x in enumerate(leaves[:n])]
                first = operation(names, form.fill(leaves[:n]))
                second = operation(names, form.fill(again))
                if not self.trusted:
                    return join(names, [first, second])
                return join(names, [first, join(names, [second, leaves[2 * n]])])

            yield Experiment(f"upstream {number}", upstream, n + 1, leaf)
            yield Experiment(f"twice {number}", twice, 2 * n + 1, leaf)

    def lines(
        self, operation: Operation, position: int | None = None
    ) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
        """Return the lines (part, line) that run forward and backward.

        With a `position`, only in the forms that have a node there.
        """
        forward: set[tuple[int, int]] = set()
        backward: set[tuple[int, int]] = set()
        for form in self.forms[operation.label]:
            if position is not None and position not in form.nodes:
                continue
            f, b, _ = traced(self.engine, alone(operation, form), len(form.nodes))
            forward |= f
            backward |= b
        return forward, backward

    @cached_property
    def _entered(self) -> dict[str, list[set[str]]]:
        """For each operation and each of its forms, the other operations that it calls."""
        known = {
            (op.part.number, op.function.lineno): label for label, op in self.operations.items()
        }
        found: dict[str, list[set[str]]] = {}
        for label, operation in self.operations.items():
            found[label] = []
            for form in self.forms[label]:
                _, _, entered = traced(self.engine, alone(operation, form), len(form.nodes))
                found[label].append({known[at] for at in entered if at in known} - {label})
        return found

    @cached_property
    def made_of(self) -> dict[str, list[str]]:
        """The operations that each operation calls in any form, by their labels."""
        return {label: sorted(set.union(*each)) for label, each in self._entered.items()}

    @cached_property
    def composed(self) -> set[str]:
        """The operations that call others in every form: they have no rule of their own."""
        return {label for label, each in self._entered.items() if set.intersection(*each)}
