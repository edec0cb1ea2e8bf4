"""Two faults at a time: all pairs of a sample with one fault of each kind, and random pairs."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmarks.proving.generate import Fault, effects
from benchmarks.proving.program import Sizes, with_lines


@dataclass(frozen=True)
class Pair:
    """A program with two faults, and their effect on each gradient."""

    faults: tuple[Fault, Fault]
    source: str
    sizes: Sizes
    effect: dict[str, str]


def sample(faults: Sequence[Fault]) -> list[Fault]:
    """Return one fault of each kind, with no line in common.

    Kinds with few faults choose first; each takes the fault furthest from those already chosen.
    """
    kinds = Counter(fault.kind for fault in faults)
    chosen: list[Fault] = []
    for kind in sorted(kinds, key=lambda k: (kinds[k], k)):
        taken = {other.line for other in chosen} | {n for o in chosen for n in o.root.lines}
        free = [f for f in faults if f.kind == kind and not ({f.line} | f.root.lines) & taken]
        if free:
            chosen.append(max(free, key=lambda f: min((abs(f.line - t) for t in taken), default=0)))
    return chosen


def every_two(faults: Sequence[Fault]) -> Iterator[Pair]:
    """Yield each pair of `faults` that runs."""
    for one, two in combinations(faults, 2):
        made = pair(one, two)
        if made is not None:
            yield made


def at_random(faults: Sequence[Fault], count: int, seed: int = 0) -> Iterator[Pair]:
    """Yield `count` random pairs in different lines that run."""
    rng = random.Random(seed)
    while count:
        one, two = rng.sample(faults, 2)
        made = pair(one, two) if one.line != two.line else None
        if made is not None:
            count -= 1
            yield made


def pair(one: Fault, two: Fault) -> Pair | None:
    """Return the program with both faults, at the first of their sizes where both count."""
    source = with_lines({one.line: one.mutated, two.line: two.mutated})
    for sizes in dict.fromkeys((one.sizes, two.sizes)):
        effect = effects(source, sizes)
        if effect is not None and not _masked(one, two, effect) and not _masked(two, one, effect):
            return Pair((one, two), source, sizes, effect)
    return None


def _masked(fault: Fault, other: Fault, effect: dict[str, str]) -> bool:
    """Return whether an alias makes `fault` correct: both names then mean the same memory."""
    return other.kind == "alias written to" and effect[fault.root.hand] == "same"
