"""All faults of every kind at every line. Candidates run in float64 first; some are no faults."""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

from benchmarks.proving.kinds import KINDS
from benchmarks.proving.lines import Line
from benchmarks.proving.program import (
    BACKWARD,
    BEFORE,
    PLAIN,
    SOURCE,
    SQUARE,
    Sizes,
    gradients,
    run,
    target_of,
    with_lines,
)

SAME = 1e-12
"""float64 gradients that differ by less than this are the same. The largest element of each is
between 0.003 and 3, with a rounding error below 1e-15. The smallest fault (bnvar + 1e-5 without the
1e-5) moves its gradient by more than 1e-8."""


@dataclass(frozen=True)
class Root:
    """What a checker must name. `lines` has several entries if the faulty line was left out."""

    hand: str
    lines: frozenset[int]


@dataclass(frozen=True)
class Fault:
    """One wrong line. `effect` has the effect on each gradient (see `effects`)."""

    kind: str
    line: int
    original: str
    mutated: str
    source: str
    sizes: Sizes
    root: Root
    effect: dict[str, str] = field(compare=False, hash=False)


@dataclass
class Generated:
    """The faults, and the number of candidates of each kind that are no faults, by reason."""

    faults: list[Fault] = field(default_factory=list)
    raises: Counter[str] = field(default_factory=Counter)
    """Python or torch already reports these."""
    unchanged: Counter[str] = field(default_factory=Counter)
    """All 26 gradients come out the same."""


def generate(kinds: Sequence[str] = tuple(KINDS)) -> Generated:
    """Return all faults of these kinds, ordered by kind, then by line."""
    found = Generated()
    for kind, line, text in candidates():
        if kind in kinds:
            _try(found, kind, line, text)
    return found


def candidates() -> Iterator[tuple[str, Line, str]]:
    """Yield every wrong text with its kind and line. A text of two kinds counts for the first."""
    seen: set[tuple[int, str]] = set()
    for kind, mutate in KINDS.items():
        for line in lines():
            for text in mutate(line):
                if (line.number, text) not in seen and text != ast.unparse(line.node):
                    seen.add((line.number, text))
                    yield kind, line, text


@cache
def lines() -> tuple[Line, ...]:
    """Return the statements of the backward pass."""
    names = run(SOURCE, PLAIN, torch.float64)
    shapes = {k: tuple(v.shape) for k, v in names.items() if _is_node(v)}
    texts = BACKWARD.splitlines()
    made: list[Line] = []
    for i, node in enumerate(ast.parse(BACKWARD).body):
        earlier = frozenset(line.target for line in made)
        made.append(Line(BEFORE + i + 1, texts[i], node, target_of(node), shapes, earlier))
    return tuple(made)


def _is_node(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.dim() > 0


def _try(found: Generated, kind: str, line: Line, text: str) -> None:
    """Keep the candidate if it runs at either size and changes a gradient there."""
    source = with_lines({line.number: text})
    ran = False
    for sizes in (PLAIN, SQUARE):
        effect = effects(source, sizes)
        if effect is None:
            continue
        ran = True
        if set(effect.values()) - {"same", "grown"}:
            root = _root(kind, line, text)
            where = (kind, line.number, line.text, text)
            found.faults.append(Fault(*where, source, sizes, root, effect))
            return
    (found.unchanged if ran else found.raises)[kind] += 1


def effects(source: str, sizes: Sizes) -> dict[str, str] | None:
    """Return the effect on each gradient, one word each, or None if the program raises.

    "same": no change. "grown": the same in float64, but in float32 the terms of a cancelling sum
    have grown, and their rounding errors with them. "faint": off by less than 0.0005 of the
    gradient's largest element, which need not show in float32. "clear": off by more. "shape": wrong
    shape.
    """
    try:
        mutated, single = gradients(source, sizes), gradients(source, sizes, torch.float32)
    except (RuntimeError, IndexError, TypeError, ValueError, AttributeError):
        return None
    right, own = _right(sizes, torch.float64), _right(sizes, torch.float32)
    return {n: _effect(mutated[n], right[n], single[n], own[n]) for n in right}


def _effect(value: Tensor, right: Tensor, single: Tensor, own: Tensor) -> str:
    if value.shape != right.shape:
        return "shape"
    off = _furthest(value, right)
    if off < SAME:
        grown = _furthest(single, right) > 2 * _furthest(own, right) + SAME
        return "grown" if grown else "same"
    return "clear" if off > 5e-4 * float(right.abs().max()) else "faint"


@cache
def _right(sizes: Sizes, dtype: torch.dtype) -> dict[str, Tensor]:
    return gradients(SOURCE, sizes, dtype)


def _furthest(value: Tensor, right: Tensor) -> float:
    return float((value - right).abs().nan_to_num(nan=torch.inf).max())


def _root(kind: str, line: Line, text: str) -> Root:
    """Return what is to blame: the line itself, except where a mechanism moves the blame."""
    if kind == "alias written to":
        upstream, in_place = text.split(";")[0].split(" = ")[1], ";" in text
        later = [o.number for o in lines() if o.target == line.target and o.number > line.number]
        return Root(upstream, frozenset([line.number] if in_place else later))
    if not text:  # the gradient's remaining statements
        rest = [o.number for o in lines() if o.target == line.target and o.number != line.number]
        return Root(line.target, frozenset(rest))
    return Root(line.target, frozenset([line.number]))
