"""Gradients that no other reads, such as those of parameters: whose they are by what they read.

`nabla[-1] = t @ a.T` reads the gradient t of `z = W @ a`, so it is that of an input of z with its
shape: of W, as nothing reads it. Where whose gradient t is remains open as well, both are tried.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from handgrad.checker.pairs.backward import BackwardRun
from handgrad.checker.pairs.hands import HandGradient, Pair
from handgrad.checker.pairs.verdict import is_significant, right_lines
from handgrad.checker.passes.inner import adopted, with_inner
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.gradient_names import LIKELY
from handgrad.checker.record.trace import Bind, Op, key_of

MOST_TRIED = 12
"""So many pairs of nodes are tried at most for one gradient: each costs a replay."""


def with_ends(
    forward: Pass, hands: Sequence[HandGradient], pairs: Sequence[Pair], natural: BackwardRun
) -> list[Pair]:
    """Return the pairs and those of gradients that nothing reads. Their pass has all nodes."""
    read = {n for reads in natural.reads.values() for n in reads}
    known = {p.number: p for p in pairs}
    open_ = {h.number: h for h in hands if h.number not in known and not h.borrowed}
    ends = [h for n, h in open_.items() if n not in read and LIKELY.fullmatch(h.name)]
    if not ends:
        return list(pairs)
    shapes = {
        open_[n].final().value.shape for h in ends for n in natural.reads.get(h.number, ())
        if n in open_
    }  # fmt: skip
    try:
        whole = with_inner(forward, shapes) or forward
    except RuntimeError:
        whole = forward
    search = _Search(whole, natural, known)
    for hand in ends:
        reads = natural.reads.get(hand.number, set())
        above = [open_[n] for n in reads if n in open_ and n not in search.pairs]
        if not above:
            search.place(hand, [search.pairs[n] for n in reads if n in search.pairs])
        elif len(above) == 1:
            search.place_both(hand, above[0])
    nodes = [n for n in search.new if n.index not in forward.truth]
    final = adopted(forward, whole, list({n.index: n for n in nodes}.values()))
    return [replace(p, forward=final) for _, p in sorted(search.pairs.items())]


@dataclass
class _Search:
    whole: Pass
    """The pass with its unnamed results as nodes."""
    natural: BackwardRun
    pairs: dict[int, Pair]
    new: list[Bind] = field(default_factory=list)

    def place(self, hand: HandGradient, above: Sequence[Pair]) -> None:
        """Find the node of a gradient that reads those of `above`: the one input of their nodes."""
        if not above:
            return
        common = {id(b.value): b for b in self._inputs(above[0].node)}
        for pair in above[1:]:
            also = {id(b.value) for b in self._inputs(pair.node)}
            common = {number: b for number, b in common.items() if number in also}
        found = [b for b in common.values() if self._is_open(hand, b)]
        leaves = [b for b in found if self._is_leaf(b)]
        if len(leaves) == 1 or len(found) == 1:
            self._settle(hand, (leaves or found)[0])

    def place_both(self, hand: HandGradient, above: HandGradient) -> None:
        """Find the nodes of a gradient and of the one that it reads: its line is right for them."""
        for leaf, result in list(self._tried(hand, above))[:MOST_TRIED]:
            both = [self._pair(above, result), self._pair(hand, leaf)]
            if right_lines(self.whole, [*self.pairs.values(), *both], both[1:]):
                self._settle(above, result)
                self._settle(hand, leaf)
                return

    def _tried(self, hand: HandGradient, above: HandGradient) -> Iterator[tuple[Bind, Bind]]:
        """Yield leaves of the gradient's shape, and results that are computed from them."""
        shape, taken = above.final().value.shape, self._taken
        for result in self._nodes.values():
            if result.value.shape != shape or id(result.value) in taken:
                continue
            for leaf in self._inputs(result):
                significant = self._is_open(hand, leaf) and is_significant(self.whole, leaf)
                if significant and self._is_leaf(leaf):
                    yield leaf, result

    def _is_leaf(self, node: Bind) -> bool:
        """Tell whether it is a parameter or data, such as `w = 0.1 * torch.randn(3)`."""
        return key_of(node.value) in self.whole.leaves or not self._inputs(node)

    def _settle(self, hand: HandGradient, node: Bind) -> None:
        self.pairs[hand.number] = self._pair(hand, node)
        self.new.append(node)

    def _pair(self, hand: HandGradient, node: Bind) -> Pair:
        return Pair(hand.number, hand.name, hand.binds, self.whole, node, "value")

    def _is_open(self, hand: HandGradient, node: Bind) -> bool:
        same = node.value.shape == hand.final().value.shape
        return same and id(node.value) not in self._taken

    @property
    def _taken(self) -> set[int]:
        return {id(p.node.value) for p in self.pairs.values()}

    @cached_property
    def _nodes(self) -> Mapping[int, Bind]:
        """The nodes by the id of the tensor, the last one first; no parameter of a function."""
        found: dict[int, Bind] = {}
        for node in self.whole.nodes()[::-1]:
            before = found.get(id(node.value))
            if node.index in self.whole.truth and (before is None or before.kind == "param"):
                found[id(node.value)] = node
        return found

    @cached_property
    def _makers(self) -> Mapping[int, Op]:
        return {id(t): e for e in self.whole.events if type(e) is Op for t in e.outputs}

    def _inputs(self, node: Bind) -> list[Bind]:
        """Return the nearest named tensors that the node is computed from."""
        found: dict[int, Bind] = {}
        todo, seen = [id(node.value)], set[int]()
        while todo:
            maker = self._makers.get(todo.pop())
            for value in () if maker is None else maker.inputs:
                number = id(value)
                if number in seen:
                    continue
                seen.add(number)
                if number in self._nodes and self._nodes[number].index in self.whole.truth:
                    found[number] = self._nodes[number]
                if number not in found or found[number].index not in self._own:
                    todo.append(number)
        return list(found.values())

    @cached_property
    def _own(self) -> set[int]:
        """The indices of the nodes that have names: behind them are others' gradients."""
        return {
            b.index for b in self.whole.nodes() if type(self.whole.trace.events[b.index]) is Bind
        }
