"""The rule of one operation for one operand, with the experiments that judge it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from handgrad.checker.scalars.engine import Engine
from handgrad.checker.scalars.experiments import Changed, Graph, Sample, samples
from handgrad.checker.scalars.operations import Form, Operation

FEWEST = 3
"""So many points at least must show a rule right or wrong."""
PARTIAL = (math.log, math.log2, math.log10, math.sqrt)
"""Functions that are not defined for negative numbers."""


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

    @property
    def of_graph(self) -> bool:
        """Whether this is the backward pass as a whole, not one operation's rule."""
        return self.position < 0

    def judge(self, engine: Engine) -> None:
        """Run the experiments."""
        for experiment in self.experiments:
            if experiment.name not in self.found:
                self.found[experiment.name] = list(experiment.samples(engine))

    def failing(self) -> list[tuple[Experiment, Sample]]:
        """Return the samples that show the rule wrong."""
        return [
            (e, s) for e in self.experiments for s in self.found[e.name] if not self.accepts(e, s)
        ]

    def accepts(self, experiment: Experiment, sample: Sample) -> bool:
        """Tell whether a sample is right, or outside of the function's domain."""
        outside = self.is_guarded and sample.point[experiment.leaf] <= 0
        return outside or sample.right(experiment.leaf)

    @cached_property
    def is_guarded(self) -> bool:
        """Whether this is a logarithm or a root that takes negative numbers without an error.

        `log(max(x, 1e-7))` is a guard against them; no gradient is right or wrong there.
        """
        first = self.experiments[0]
        inside = [s for s in self.found.get(first.name, ()) if s.point[0] > 0]
        values = [(s.point[0], s.value) for s in inside if len(s.point) == 1]
        return len(values) >= FEWEST and any(
            all(abs(value - f(x)) < 1e-3 for x, value in values) for f in PARTIAL
        )

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
