"""Experiments on an engine: graphs of a few random numbers, and the gradients of their leaves.

The correct gradient is the central difference, of fourth order, in float64.
"""

import math
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any

from handgrad.checker.scalars.definitions import Names
from handgrad.checker.scalars.engine import Engine, Unfit
from handgrad.checker.scalars.limit import Late, limited

STEP = 1e-3
"""At values near 1 the truncation error is about 1e-13 of the fifth derivative, like rounding."""
RELATIVE = 1e-4
"""Above the small numbers that authors add to denominators (1e-5), below any mistake."""
ABSOLUTE = 1e-7
KINK = 1e-2
"""Where the differences with one and two steps disagree by more, there is a kink in between."""
POINTS = 12

Graph = Callable[[Names, Sequence[Any]], Any]
"""Builds a result from leaves."""
Changed = tuple[tuple[int, CodeType], ...]
"""Parts of the file that are replaced, by their numbers."""


@dataclass(frozen=True)
class Sample:
    """One graph at one point: its value, the engine's gradients of the leaves, and the truth."""

    point: tuple[float, ...]
    value: float
    made: tuple[float | None, ...]
    truth: tuple[float, ...]

    def right(self, leaf: int) -> bool:
        """Tell whether the gradient of one leaf is correct; one that is unset counts as 0."""
        return close(self.made[leaf] or 0.0, self.truth[leaf])


def close(made: float, truth: float) -> bool:
    """Tell whether a gradient equals the central difference."""
    return abs(made - truth) <= RELATIVE * max(abs(truth), abs(made)) + ABSOLUTE


@lru_cache
def points(n_leaves: int) -> tuple[tuple[float, ...], ...]:
    """Return random points, with both signs in each coordinate and a few larger numbers."""
    drawn = random.Random(n_leaves)
    found = []
    for number in range(3 * POINTS):
        high = 4.0 if number % 6 == 5 else 1.8
        signs = [(1, 1, -1, 1, -1, -1)[(number + 2 * leaf) % 6] for leaf in range(n_leaves)]
        low = 0.25
        found.append(tuple(sign * drawn.uniform(low, high) for sign in signs))
    return tuple(found)


def samples(
    engine: Engine, graph: Graph, n_leaves: int, changed: Changed = (), wanted: int = POINTS
) -> Iterator[Sample]:
    """Yield up to `wanted` samples, at the points where the graph is defined and smooth."""
    found = 0
    for number, point in enumerate(points(n_leaves)):
        if found == wanted or (number >= POINTS and not found):
            return
        sample = sample_at(engine, graph, point, changed)
        if sample is not None:
            found += 1
            yield sample


def sample_at(
    engine: Engine, graph: Graph, point: tuple[float, ...], changed: Changed = ()
) -> Sample | None:
    """Return the sample at one point; None where the graph is not defined or not smooth."""
    try:
        with limited():
            return _run(engine, graph, point, changed)
    except (Exception, Late):  # the operation does not take these numbers
        return None


def _run(engine: Engine, graph: Graph, point: tuple[float, ...], changed: Changed) -> Sample | None:
    names = engine.definitions.fresh(dict(changed))
    truth = _truth(engine, graph, point, names)
    if truth is None:
        return None
    names = engine.definitions.fresh(dict(changed))
    leaves = [engine.leaf(names, x) for x in point]
    out = graph(names, leaves)
    value = engine.number(names, out)
    made = tuple(engine.differentiate(names, out, leaves))
    kept = all(engine.number(names, n) == x for n, x in zip(leaves, point, strict=True))
    return Sample(point, value, made, truth) if kept else None


def value_at(engine: Engine, graph: Graph, point: Sequence[float], names: Names) -> float:
    """Return the graph's value."""
    found = engine.number(names, graph(names, [engine.leaf(names, x) for x in point]))
    if not math.isfinite(found) or abs(found) > 1e6:
        raise Unfit("not a usual number")
    return found


def _truth(
    engine: Engine, graph: Graph, point: tuple[float, ...], names: Names
) -> tuple[float, ...] | None:
    """Return the central differences; None at a kink or a jump, or where nothing repeats."""
    if value_at(engine, graph, point, names) != value_at(engine, graph, point, names):
        return None
    found = []
    for leaf in range(len(point)):

        def at(steps: int, leaf: int = leaf) -> float:
            moved = [x + steps * STEP * (i == leaf) for i, x in enumerate(point)]
            return value_at(engine, graph, moved, names)

        near, far = (at(1) - at(-1)) / (2 * STEP), (at(2) - at(-2)) / (4 * STEP)
        if abs(near - far) > KINK * max(abs(near), abs(far)) + ABSOLUTE:
            return None
        found.append((4 * near - far) / 3)
    return tuple(found)


def traced(
    engine: Engine, graph: Graph, n_leaves: int
) -> tuple[set[tuple[int, int]], set[tuple[int, int]], set[tuple[int, int]]]:
    """Return the lines (part, line) that run forward and backward, and where functions begin."""
    lines: tuple[set[tuple[int, int]], set[tuple[int, int]]] = (set(), set())
    entered: set[tuple[int, int]] = set()
    phase = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        filename = frame.f_code.co_filename
        if not filename.startswith("<handgrad part "):
            return None
        number = int(filename[len("<handgrad part ") : -1])
        if event == "call" and phase == 0:
            entered.add((number, frame.f_code.co_firstlineno))
        if event == "line":
            lines[phase].add((number, frame.f_lineno))
        return trace

    for point in points(n_leaves):
        names = engine.definitions.fresh()
        old = sys.gettrace()
        try:
            with limited():
                leaves = [engine.leaf(names, x) for x in point]
                sys.settrace(trace)
                phase = 0
                out = graph(names, leaves)
                phase = 1
                engine.number(names, out)
                engine.run(names, out)
        except (Exception, Late):
            continue
        finally:
            sys.settrace(old)
        if len(lines[1]) and point[0] < 0:
            break
    return lines[0], lines[1], entered
