"""Whose gradient is it, where its name does not say so?

Two ways to find out. Its value: a right gradient equals that of one result of the forward pass.
Its reader: `dW = x.T @ t` is right where t is the gradient of `x @ W`. So t is put in the place of
the true gradient of each result of its shape, and it is the one with which what reads it is right.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from handgrad.checker.pairs.backward import BackwardRun
from handgrad.checker.pairs.hands import Definition, HandGradient, Pair
from handgrad.checker.pairs.together import moved_together
from handgrad.checker.pairs.verdict import is_significant, right_lines, verdict_on
from handgrad.checker.passes.compare import judge
from handgrad.checker.passes.forward import made_from
from handgrad.checker.passes.inner import adopted, with_inner
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.gradient_names import AT_LAYER
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, key_of

MOST_TRIED = 12
"""So many results of one shape are tried as a gradient's node at most: each costs a replay."""
PARTS = 1_000_000
"""Added to a gradient's number for the part of it that is complete for a node of its own."""


def unnamed(
    forward: Pass, hands: Sequence[HandGradient], pairs: Sequence[Pair], natural: BackwardRun
) -> list[Pair]:
    """Return the pairs, with gradients that are wrong or unpaired so far moved where they belong.

    The pass of the pairs has the nodes that this needs.
    """
    by_number = {p.number: p for p in pairs}
    right = {p.number for p in pairs if verdict_on(forward, p, p.node, natural.values).right}
    settled = right | {p.number for p in pairs if _is_shape_slip(forward, p)}
    asked = [h for h in hands if h.number not in settled and h.claim != "pair" and not h.borrowed]
    doubted = [h for h in hands if h.number in right and _is_doubted(h, by_number, right, natural)]
    if not asked:
        return list(pairs)
    try:
        whole = with_inner(forward, {hand.final().value.shape for hand in (*asked, *doubted)})
    except RuntimeError:
        return list(pairs)
    if whole is None:
        return list(pairs)
    search = _Search(forward, whole, natural, dict(by_number))
    groups: dict[tuple[str, Statement], list[HandGradient]] = {}
    for hand in reversed(asked):
        groups.setdefault((hand.name, hand.own_final().statement), []).append(hand)
    for group in groups.values():
        for hand in group:
            search.place(hand)
        search.place_loop(group)
    for hand in doubted:
        search.place_doubted(hand)
    search.place_together([hand for hand in asked if hand.number not in search.new])
    nodes = [n for n in search.new.values() if n.index not in forward.truth]
    final = adopted(forward, whole, list({n.index: n for n in nodes}.values()))
    return [replace(p, forward=final) for p in sorted(search.pairs.values(), key=_position)]


def _is_doubted(
    hand: HandGradient, pairs: Mapping[int, Pair], right: set[int], natural: BackwardRun
) -> bool:
    """Tell whether it is right for the node of its name, but nothing that reads it is."""
    readers = {n for n in pairs if hand.number in natural.reads.get(n, ())}
    return hand.claim == "name" and len(readers) > 1 and not readers & right


def _is_shape_slip(forward: Pass, pair: Pair) -> bool:
    """Tell whether it is right for the node of its name once it is broadcast."""
    truth, value = forward.truth[pair.node.index], pair.final().value
    try:
        wide = value.detach().expand(truth.shape)
    except RuntimeError:
        return False
    return judge(wide, None, truth, forward.noise[pair.node.index])[0] != "wrong"


def _position(pair: Pair) -> int:
    return pair.binds[0].index


@dataclass
class _Search:
    forward: Pass
    whole: Pass
    """The pass with its unnamed results as nodes."""
    natural: BackwardRun
    pairs: dict[int, Pair]
    new: dict[int, Bind] = field(default_factory=dict)
    """The nodes that were found, by the number of the gradient."""

    def place(self, hand: HandGradient) -> None:
        """Find the node of a gradient, and of the part of it that is another node's."""
        known = self.pairs.get(hand.number)
        first = None if known is None else self._complete_part(known)
        if known is not None and first is not None:
            rest = replace(known, binds=known.binds[len(first.binds) :])
            node = None
            if not all(bind.alias for bind in rest.binds):
                node = self._by_value(rest) or self._by_readers(rest, known.node)
            if node is not None and node is not known.node:
                number = hand.number + PARTS
                self.pairs[number] = replace(first, number=number)
                self._settle(rest, node)
            return
        if known is not None and self._all_right([], [known]):
            return  # its own line is right for the node of its name
        loose = known is None or AT_LAYER.search(hand.name) is not None
        node = self._by_value(hand) if loose or self._has_right_reader(hand) else None
        before = None if known is None else known.node
        node = self._by_readers(hand, node or before)
        if node is not None and node is not before:
            self._settle(hand, node)

    def place_doubted(self, hand: HandGradient) -> None:
        """Move a gradient if all lines that read it are right for another node, and none as it is.

        `dy = y - t` is the gradient of y; what reads it may need that of z in `y = sigmoid(z)`.
        """
        readers, known = self._readers(hand), self.pairs[hand.number].node
        if self._right_with(hand, known, readers):
            return
        node = self._by_readers(hand, known)
        if node is not None and len(self._right_with(hand, node, readers)) == len(readers):
            self._settle(hand, node)

    def place_together(self, hands: Sequence[HandGradient]) -> None:
        """Move gradients whose own lines are right for unnamed results."""
        results, readers = self._results, self._readers
        found = moved_together(self.whole, self.pairs, hands, results, readers) if hands else {}
        for hand in hands:
            if hand.number in found:
                self._settle(hand, found[hand.number])

    def place_loop(self, group: Sequence[HandGradient]) -> None:
        """Find the nodes of a gradient that a loop over time computes again and again, all at once.

        `group` has its last definition first; that is the gradient of the first result. Those of
        which the node was found say which results they are; a name that is wrong says nothing.
        """
        left = [hand for hand in group if hand.number not in self.new]
        readers = {p.number: p for hand in left for p in self._readers(hand)}
        if len(group) < 2 or not readers or self._is_right_once(group[0]):
            return
        by_place: dict[tuple[str, Statement], list[Bind]] = {}
        for node in self._of_shape(group[0]):
            by_place.setdefault((node.name, node.statement), []).append(node)
        best: list[Pair] = []
        most = self._right([], readers.values())
        orders = [n for nodes in list(by_place.values())[:MOST_TRIED] for n in (nodes, nodes[::-1])]
        for nodes in orders:  # backward in reverse order, or in each iteration's own
            pairs = [
                Pair(h.number, h.name, h.binds, self.whole, n, "value")
                for h, n in zip(group, nodes[::-1], strict=False)
            ]
            if len(pairs) < len(group) or any(
                self.new.get(p.number, p.node).index != p.node.index for p in pairs
            ):
                continue
            pairs = [p for p in pairs if p.number not in self.new]
            right = self._right(pairs, readers.values())
            if most < right:
                best, most = pairs, right
        for pair in best:
            self._settle(pair, pair.node)

    def _is_right_once(self, hand: Definition) -> bool:
        """Tell whether the name is right for its node in one iteration at least."""
        values, statement = self.natural.values, hand.own_final().statement
        return any(
            verdict_on(self.whole, p, p.node, values).right
            for n, p in self.pairs.items()
            if n not in self.new and p.name == hand.name and p.own_final().statement is statement
        )

    def _settle(self, hand: Definition, node: Bind) -> None:
        number = hand.number
        self.pairs[number] = Pair(number, hand.name, hand.binds, self.forward, node, "value")
        self.new[number] = node

    def _complete_part(self, pair: Pair) -> Pair | None:
        """Return its first statements, if these alone give the gradient of its node."""
        for end in range(len(pair.binds) - 1, 0, -1):
            part = replace(pair, binds=pair.binds[:end])
            if verdict_on(self.forward, part, pair.node, self.natural.values).right:
                return part
        return None

    def _by_value(self, hand: Definition) -> Bind | None:
        """Return the unnamed result whose gradient it is, the last one if several have the same."""
        return next((n for n in self._results(hand) if self._is_right(hand, n)), None)

    def _is_right(self, hand: Definition, node: Bind) -> bool:
        known = is_significant(self.whole, node)
        return known and verdict_on(self.whole, hand, node, self.natural.values).right

    def _results(self, hand: Definition) -> list[Bind]:
        """Return the unnamed results that it may be the gradient of, the last one first."""
        return [b for b in self._of_shape(hand) if self._fits_in(hand, b)]

    def _free(self, hand: Definition) -> list[Bind]:
        """Return the named results without a right gradient that it may be that of."""
        values = self.natural.values
        right = [p for p in self.pairs.values() if verdict_on(self.whole, p, p.node, values).right]
        taken = {id(p.node.value) for p in right}
        shape = hand.final().value.shape
        nodes = [b for b in self.forward.nodes() if b.index in self.forward.truth]
        found = {id(b.value): b for b in nodes if b.kind != "param" and b.value.shape == shape}
        return [b for n, b in found.items() if n not in taken and self._fits_in(hand, b)][::-1]

    def _of_shape(self, hand: Definition) -> list[Bind]:
        """Return the unnamed results of its shape, the last one first."""
        shape = hand.final().value.shape
        nodes = [b for b in self.whole.nodes() if b.index not in self.forward.truth]
        same = [b for b in nodes if b.index in self.whole.truth and b.value.shape == shape]
        return same[::-1]

    def _fits_in(self, hand: Definition, node: Bind) -> bool:
        """Tell whether gradients flow that way: from what it reads, to what reads it."""
        made_from, here = self._made_from, id(node.value)
        after = [self._of(p.node) for p in self._readers(hand)]
        before = [
            self._of(p.node)
            for n in self.natural.reads.get(hand.number, ())
            if (p := self.pairs.get(n))
        ]
        return all(number in made_from.get(here, ()) for number in after) and all(
            here in made_from.get(number, ()) for number in before
        )

    def _of(self, node: Bind) -> int:
        """Return the id of the node's tensor, for a part the whole node's."""
        part = self.whole.parts_of.get(id(node.value))
        return id(node.value) if part is None else part.number

    @cached_property
    def _made_from(self) -> Mapping[int, set[int]]:
        return made_from(self.whole)

    def _has_right_reader(self, hand: Definition) -> bool:
        values = self.natural.values
        return any(verdict_on(self.whole, p, p.node, values).right for p in self._readers(hand))

    def _readers(self, hand: Definition) -> list[Pair]:
        reads, memory = self.natural.reads, key_of(hand.final().value)
        others = (p for n, p in self.pairs.items() if n != hand.number)
        if hand.number in self.pairs and any(key_of(p.final().value) == memory for p in others):
            return []  # db = dz: they may read dz
        return [p for p in self.pairs.values() if hand.number in reads.get(p.number, ())]

    def _by_readers(self, hand: Definition, known: Bind | None) -> Bind | None:
        """Return the free result with whose true gradient most of what reads it is right.

        What is right with the node that is `known`, or with none, has to stay right.
        """
        readers = self._readers(hand)
        best, most = known, self._right_with(hand, known, readers)
        free = self._free(hand) if known is None or self._goes_on(hand, known) else []
        for node in [*free, *self._results(hand)][:MOST_TRIED] if readers else ():
            if len(most) == len(readers):
                break
            right = self._right_with(hand, node, readers)
            if most < right:
                best, most = node, right
        return best

    def _goes_on(self, hand: Definition, known: Bind) -> bool:
        """Tell whether a name goes on to another node: `dh = ...`, then `dh[h <= 0] = 0`."""
        if len({bind.statement for bind in hand.binds}) > 1:
            return True
        earlier = (p for p in self.pairs.values() if p.binds[0].index < hand.binds[0].index)
        return any(p.name == hand.name and p.node.value is known.value for p in earlier)

    def _right_with(self, hand: Definition, node: Bind | None, readers: Sequence[Pair]) -> set[int]:
        """Return the readers that are right if the gradient is the true one of `node`."""
        mine = []
        if node is not None:
            mine = [Pair(hand.number, hand.name, hand.binds, self.whole, node, "value")]
        return self._right(mine, readers, without=hand.number)

    def _all_right(self, mine: Sequence[Pair], readers: Collection[Pair]) -> bool:
        return len(self._right(mine, readers)) == len(readers)

    def _right(
        self, mine: Sequence[Pair], readers: Iterable[Pair], without: int | None = None
    ) -> set[int]:
        """Return the readers that are right if these gradients are."""
        moved = {without, *(p.number for p in mine)}
        others = [p for n, p in self.pairs.items() if n not in moved]
        return right_lines(self.whole, [*others, *mine], readers)
