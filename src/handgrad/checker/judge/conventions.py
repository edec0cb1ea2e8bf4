"""Gradients that are right but for a factor that the file keeps everywhere.

Two conventions are common. `dZ = A - Y` is m times the gradient of the mean loss, and `dW` and `db`
divide by m: they are exact. And where the loss is only printed, the gradients of all parameters may
be n times the true ones, or minus them where the update adds them: that only changes the learning
rate. Such gradients are judged beside the truth times the factor; of all ways to read the file, the
one that leaves the fewest wrong lines counts, and the plain one among equals.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import prod

import torch
from torch import Tensor

from handgrad.checker.closeness import same_constant
from handgrad.checker.judge.lines import Line, judged_lines
from handgrad.checker.judge.updates import moves
from handgrad.checker.pairs.backward import BackwardRun
from handgrad.checker.pairs.factors import decays, factor_of, is_zero
from handgrad.checker.pairs.hands import HandGradient, Pair
from handgrad.checker.pairs.pairing import Pairing, paired
from handgrad.checker.passes.natural import is_natural
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import key_of

MOST_TRIED = 6
"""So many factors of each kind are tried at most: each costs a replay of the backward pass."""


def conventional(forward: Pass, hands: Sequence[HandGradient], pairing: Pairing) -> Pairing:
    """Return the pairing with the truth times the factors that the file keeps, if it keeps any."""
    if is_natural(forward):
        values = pairing.natural.values
        decaying = {p.number for p in pairing.pairs if decays(p, values.get(p.final().index))}
        hands = [hand for hand in hands if hand.number not in decaying] or hands
        judged = [p for p in pairing.pairs if p.number not in decaying]
        pairing = replace(pairing, pairs=judged or pairing.pairs)
    reading = _best_reading(pairing)
    if reading is not None and reading.common != 1:
        # a gradient may have missed its node for the factor
        forward = with_common(forward, reading.common)
        pairing = paired(forward, hands)
        reading = _best_reading(pairing)
    if reading is None or not reading.several:
        return pairing
    best = scaled(pairing.forward, reading.several)
    pairs = [replace(p, forward=best) for p in pairing.pairs]
    return replace(pairing, pairs=pairs, forward=best)


@dataclass(frozen=True)
class _Reading:
    """One way to read a backward pass."""

    common: float = 1.0
    """The factor that all gradients have."""
    several: Mapping[int, float] = field(default_factory=dict)
    """The factors that some gradients have beside it, by the id of the node's tensor."""
    counts: bool = True
    """Whether the factors are numbers of examples; others must leave no line wrong."""

    def of(self, forward: Pass) -> Pass:
        """Return the pass as this reading has it."""
        common = dict.fromkeys((id(b.value) for b in forward.nodes()), self.common)
        return scaled(scaled(forward, common), self.several)


def _best_reading(pairing: Pairing) -> _Reading | None:
    """Return the reading with the fewest wrong lines, None if that is the plain one."""
    forward = pairing.forward
    pairs = [p for p in pairing.pairs if not p.borrowed]
    values = pairing.natural.values
    own = {p.number: factor_of(p, values.get(p.final().index)) for p in pairs}
    if all(same_constant(own[p.number] or 0, 1) or is_zero(p) for p in pairs):
        return None
    plain = judged_lines(forward, pairs).by_number
    fewest = _wrong_lines(pairs, plain)
    if not fewest:
        return None
    lines = {p.number: factor_of(p, plain[p.number].outcome) for p in pairs}
    best = None
    for reading in _Readings(forward, pairs, own, lines, pairing.natural).all():
        read = reading.of(forward)
        judged = judged_lines(read, [replace(p, forward=read) for p in pairs]).by_number
        count = _wrong_lines(pairs, judged)
        if count < fewest and (reading.counts or not count):
            best, fewest = reading, count
    return best


def _wrong_lines(pairs: Sequence[Pair], judged: Mapping[int, Line]) -> int:
    """Return how many lines are wrong; that of a function counts once, however often it ran."""
    return len({p.own_final().statement for p in pairs if judged[p.number].wrong})


@dataclass(frozen=True, eq=False)
class _Readings:
    """The ways to read one backward pass."""

    forward: Pass
    pairs: Sequence[Pair]
    own: Mapping[int, float | None]
    """The factor by which each gradient is off, by its number; None if it is not one factor."""
    lines: Mapping[int, float | None]
    """The same for what its own line gives when everything upstream is right."""
    natural: BackwardRun

    def all(self) -> Iterator[_Reading]:
        """Yield the readings beside the plain one."""
        moved = moves(self.forward, self.pairs)
        for common in (1.0, *self._common(moved)):
            if common != 1:
                yield _Reading(common)
            for several, factor in self._several(common, moved):
                nodes = {id(p.node.value): factor for p in self.pairs if p.number in several}
                yield _Reading(common, nodes, self._is_count(factor, self._sizes()))

    def _is_leaf(self, pair: Pair) -> bool:
        return key_of(pair.node.value) in self.forward.leaves

    def _common(self, moved: Mapping[int, float]) -> list[float]:
        """Return the factors that the gradients of all parameters may have in common.

        None if nothing says that the gradients are only used to descend.
        """
        if self.forward.backward is not None or not (moved or is_natural(self.forward)):
            return []
        descends = not moved or sum(move >= 0 for move in moved.values()) > len(moved) / 2
        leaves = [p for p in self.pairs if self._is_leaf(p)] or self.pairs
        allowed = {1, *self._sizes()}
        found = _distinct(self.own[p.number] for p in leaves)
        counted = [f for f in found if self._is_count(f, allowed)]
        return [f for f in counted if f > 0 or descends][:MOST_TRIED]

    def _sizes(self) -> set[int]:
        """Return what the loss may be divided by: sizes of what it is computed from."""
        shapes = {p.node.value.shape for p in self.pairs if not self._read(p)}
        if is_natural(self.forward):  # the gradient of what it begins with may have no name
            shapes |= {node.value.shape for node in self.forward.nodes()}
        products = {
            prod(chosen)
            for shape in shapes
            for count in range(len(shape) + 1)
            for chosen in combinations(shape, count)
        }
        return products - {0, 1}

    @staticmethod
    def _is_count(factor: float, sizes: Set[int]) -> bool:
        """Tell whether it is one of the sizes, its half or double, or divides by one of these."""
        size = max(abs(factor), 1 / abs(factor))
        return any(same_constant(size, n * f) for n in sizes for f in (0.5, 1, 2))

    def _several(
        self, common: float, moved: Mapping[int, float]
    ) -> Iterator[tuple[Set[int], float]]:
        """Yield gradients that may be off by one factor on purpose, and the factor.

        They begin at the loss, and lines of parameters make up for it.
        """
        leaves = [p for p in self.pairs if self._is_leaf(p)]
        inner = [p for p in self.pairs if not self._is_leaf(p)]
        ratios = [1 / f for p in leaves if (f := self.lines[p.number]) is not None]
        # dW = X.T @ dZ / m + reg * W makes up for m in one of its terms
        ratios += [f / common for p in inner if (f := self.own[p.number]) is not None]
        if any(self.lines[p.number] is None for p in leaves):
            first = [p.node.value.shape for p in inner if not self._read(p)]
            ratios += [size for shape in first for size in (*shape[:1], *shape[-1:]) if size > 1]
        for ratio in _distinct(ratios)[:MOST_TRIED]:
            right = {p.number for p in inner if same_constant(self.own[p.number] or 0, common)}
            whole = {p.number for p in inner if p.node.value.numel() > 1}
            making_up = [
                p for p in leaves
                if (f := self.lines[p.number]) is None or same_constant(f, 1 / ratio)
            ]  # fmt: skip
            for numbers in (whole - right, whole):
                off = self._from_the_loss(numbers)
                if any(self._read(p) & off for p in making_up):
                    yield off | self._data(off, making_up, ratio * common, moved), ratio

    def _from_the_loss(self, numbers: set[int]) -> set[int]:
        """Return those which, followed to the loss, are computed from each other alone."""
        by_number = {p.number: p for p in self.pairs}
        numbers = set(numbers)
        while True:
            late = {
                n
                for n in numbers
                for read in self._read(by_number[n]) - numbers
                if by_number[read].node.value.numel() > 1
            }
            if not late:
                return numbers
            numbers -= late

    def _data(
        self, off: Set[int], making_up: Sequence[Pair], factor: float, moved: Mapping[int, float]
    ) -> set[int]:
        """Return the gradients of data that have the factor too, as those of inner nodes do.

        Data is not updated; if nothing is, it has a row for each of the examples counted.
        """
        size = max(abs(factor), 1 / abs(factor))
        return {
            p.number
            for p in self.pairs
            if self._is_leaf(p) and p not in making_up and self._read(p) & off
            if (key_of(p.node.value) not in moved if moved else size in p.node.value.shape)
        }

    def _read(self, pair: Pair) -> set[int]:
        """Return the gradients with a node that it is computed from, through others without."""
        known = {p.number for p in self.pairs}
        found, todo, seen = set[int](), [pair.number], {pair.number}
        while todo:
            for number in self.natural.reads.get(todo.pop(), set()) - seen:
                seen.add(number)
                (found.add if number in known else todo.append)(number)
        return found


def with_common(forward: Pass, factor: float) -> Pass:
    """Return the pass of the loss times a factor."""
    ones = [torch.ones_like(t) if s is None else s
            for t, s in zip(forward.outputs, forward.seeds, strict=True)]  # fmt: skip
    whole = scaled(forward, dict.fromkeys((id(b.value) for b in forward.nodes()), factor))
    seeds = tuple(factor * seed.detach() for seed in ones)
    return replace(whole, seeds=seeds, common=forward.common * factor, factors=forward.factors)


def scaled(forward: Pass, factors: Mapping[int, float]) -> Pass:
    """Return the pass with the gradients of some nodes times a factor, by the id of the tensor."""
    index = {b.index: f for b in forward.nodes() if (f := factors.get(id(b.value), 1.0)) != 1}
    if not index:
        return forward

    def times(values: Mapping[int, Tensor]) -> dict[int, Tensor]:
        return {i: v * index[i] if i in index else v for i, v in values.items()}

    parts = {
        i: [(op, part * index.get(i, 1.0)) for op, part in parts]
        for i, parts in forward.parts.items()
    }
    known = {n: f * forward.factors.get(n, 1.0) for n, f in factors.items()}
    return replace(
        forward,
        truth=times(forward.truth),
        parts=parts,
        noise={i: n * abs(index.get(i, 1.0)) for i, n in forward.noise.items()},
        autograd=times(forward.autograd),
        factors={**forward.factors, **known},
    )


def _distinct(factors: Iterable[float | None]) -> list[float]:
    """Return the factors that are not 1, each once."""
    found: list[float] = []
    for factor in factors:
        if factor is not None and not any(same_constant(factor, f) for f in (1.0, *found)):
            found.append(factor)
    return found
