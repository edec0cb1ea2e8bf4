"""From names to pairs: which node each gradient by hand belongs to, where its name misleads.

A value decides where names cannot: `dh` where h is called a, or `dh` in a loop that binds h again
and again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from handgrad.checker.pairs.aliases import with_aliases
from handgrad.checker.pairs.backward import BackwardReplay, BackwardRun
from handgrad.checker.pairs.carried import with_carried
from handgrad.checker.pairs.ends import with_ends
from handgrad.checker.pairs.hands import Definition, HandGradient, Pair
from handgrad.checker.pairs.scratch import without_scratch
from handgrad.checker.pairs.unnamed import unnamed
from handgrad.checker.pairs.updates import adds_decay, is_step, resets
from handgrad.checker.pairs.verdict import Verdict, is_significant, verdict_on
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.gradient_names import AT_LAYER
from handgrad.checker.record.trace import Bind, key_of

_CLIPS = re.compile(r"clip|clamp")
CLIPPING = re.compile(r"clip|clamp|\w*norm\b|\bmin\(|\blr\b|learning_rate|step_size")
"""The text of a statement that changes a finished gradient on purpose."""


@dataclass(frozen=True, eq=False)
class Pairing:
    """The pairs of one pass, and the backward pass as the user's formulas have it."""

    pairs: Sequence[Pair]
    natural: BackwardRun
    forward: Pass
    """The pass, with the unnamed results among its nodes that have a gradient by hand."""


def paired(forward: Pass, hands: Sequence[HandGradient]) -> Pairing:
    """Return each gradient with its node; gradients that no node is found for are left out.

    A gradient that is wrong for the node of its name moves to the node that it is right for, if
    that one is free: no other gradient is right for it. A name that says its node outright gives
    way only where what is computed from the gradient is right. A forgotten factor makes `dhpreact`
    equal to dh too, but then everything computed from it is wrong.
    """
    hands = [_differentiable(forward, hand) for hand in hands]
    natural = BackwardReplay(forward, hands, substitute=False).run()
    search = _Search(forward, natural)
    pairs = with_aliases(search.moved(hands, search.versions(hands)), hands)
    pairs = [search.without_clipping(pair) for pair in pairs]
    pairs = with_carried(forward, hands, without_scratch(forward, pairs, natural), natural)
    whole = pairs[0].forward if pairs else forward
    settled = unnamed(whole, hands, pairs, natural)
    if settled and settled[0].forward is not whole:  # what is found now shows what is carried
        settled = with_carried(settled[0].forward, hands, settled, natural)
    settled = with_ends(settled[0].forward if settled else forward, hands, settled, natural)
    if settled and settled[0].forward is not forward:
        forward = settled[0].forward
        natural = BackwardReplay(forward, settled, substitute=False).run()
    return Pairing(settled, natural, forward)


@dataclass(frozen=True, eq=False)
class _Search:
    """Finds nodes by value in one pass."""

    forward: Pass
    natural: BackwardRun

    def verdict(self, hand: Definition, node: Bind) -> Verdict:
        return verdict_on(self.forward, hand, node, self.natural.values)

    def versions(self, hands: Sequence[HandGradient]) -> dict[int, Bind]:
        """Return the node of each gradient whose name has one, by number.

        Where a loop over time binds a node's name again and again, a backward pass takes these
        versions in reverse: its k-th definition is the gradient of the k-th last. The gradients
        that are right show by how much this is shifted (a first one before the loop).
        """
        nodes = {h.number: h.candidates[0] for h in hands if h.candidates}
        groups: dict[tuple[str, str], list[HandGradient]] = {}
        for hand in hands:
            if len(hand.candidates) > 1:
                key = (hand.binds[0].statement.function, hand.name)
                groups.setdefault(key, []).append(hand)
        for group in groups.values():
            fitting = [
                [i for i, node in enumerate(hand.candidates) if self._may_be(hand, node)]
                for hand in group
            ]
            placed = _placed(fitting, [_read_index(hand) for hand in group])
            for hand, index in zip(group, placed, strict=True):
                candidates = group[0].candidates
                if 0 <= index < len(candidates):
                    nodes[hand.number] = candidates[index]
                else:
                    del nodes[hand.number]
        return nodes

    def moved(self, hands: Sequence[HandGradient], nodes: Mapping[int, Bind]) -> list[Pair]:
        """Return the pairs, gradients moved to the nodes that they are right for."""
        verdicts = {h.number: self.verdict(h, nodes[h.number]) for h in hands if h.number in nodes}
        wrong = {number for number, verdict in verdicts.items() if not verdict.right}
        loose = {h.number for h in hands if AT_LAYER.search(h.name)} & wrong
        moves: dict[int, Bind] = {}
        count = -1
        while count < len(moves):
            count = len(moves)
            settled = {n: node for n, node in nodes.items() if n not in moves} | moves
            taken = {id(node.value) for n, node in settled.items() if n not in loose}
            for hand in hands:
                verdict = verdicts.get(hand.number)
                if hand.number in moves or not _may_move(hand, verdict):
                    continue
                node = self._match(hand, taken)
                if node is not None and self._readers_agree(hand, verdicts, moves):
                    moves[hand.number] = node
                    taken.add(id(node.value))
        pairs = []
        for hand in hands:
            node = moves.get(hand.number, nodes.get(hand.number))
            if node is not None:
                claim = "value" if hand.number in moves else hand.claim
                pairs.append(Pair(hand.number, hand.name, hand.binds, self.forward, node, claim))
        return pairs

    def without_clipping(self, pair: Pair) -> Pair:
        """Return the pair without the clippings that changed it after it was finished."""
        pair = self._until_used(pair)
        binds, end = pair.binds, len(pair.binds)
        while end > 1 and binds[end - 1].kind == "update" and _clips(binds[end - 1]):
            end -= 1
        if end == len(binds) or pair.clipped is not None:
            return pair
        before = replace(pair, binds=binds[:end])
        outright = all(b.alias or _CLIPS.search(b.statement.text) for b in binds[end:])
        if not outright and self.verdict(before, pair.node).verdict == "wrong":
            return pair
        changed = not self.verdict(pair, pair.node).right
        return replace(before, clipped=binds[end].statement if changed else None)

    def _until_used(self, pair: Pair) -> Pair:
        """Return the pair without what makes it the step of an update, or resets it afterwards."""
        *before, last = pair.binds
        if not before or last.kind != "update":
            return pair
        shorter = replace(pair, binds=before)
        if resets(self.forward, pair, last):
            return self._until_used(shorter)
        if is_step(self.forward, pair.node, last) and not self.verdict(pair, pair.node).right:
            return shorter if self.verdict(shorter, pair.node).right else pair
        if adds_decay(self.forward, pair.node, last) and self.verdict(shorter, pair.node).right:
            return replace(shorter, clipped=last.statement)
        return pair

    def _may_be(self, hand: HandGradient, node: Bind) -> bool:
        truth, value = self.forward.truth.get(node.index), hand.final().value
        if truth is None or value.shape != truth.shape or not is_significant(self.forward, node):
            return False
        if _is_far(self.natural.values.get(hand.final().index), truth):
            return False
        return self.verdict(hand, node).right

    def _match(self, hand: HandGradient, taken: set[int]) -> Bind | None:
        """Return the one free node that the value is right for."""
        matches: dict[int, Bind] = {}
        for node in self.forward.nodes():
            truth = self.forward.truth.get(node.index)
            if truth is None or node.kind == "param" or id(node.value) in taken:
                continue
            if truth.shape != hand.final().value.shape or not is_significant(self.forward, node):
                continue
            if self.verdict(hand, node).right:
                matches[id(node.value)] = node
        found = list(matches.values())
        if hand.claim == "value" and self._is_read(hand):
            leaves = self.forward.leaves
            if len(found) == 1:  # y - p is the gradient of the targets y, and minus that of p
                leaves = leaves - (self.forward.asked or leaves)
            # z = W @ a + b for one example: the gradients of z and b are equal
            found = [n for n in found if key_of(n.value) not in leaves]
        return found[0] if len(found) == 1 else None

    def _is_read(self, hand: HandGradient) -> bool:
        return any(hand.number in reads for reads in self.natural.reads.values())

    def _readers_agree(
        self, hand: HandGradient, verdicts: Mapping[int, Verdict], moves: Mapping[int, Bind]
    ) -> bool:
        """Tell whether the gradients computed from this one confirm its new node."""
        if hand.claim != "name" or hand.number not in verdicts:
            return True
        readers, todo = set[int](), [hand.number]
        while todo:  # through gradients that have no node
            number = todo.pop()
            new = {n for n, read in self.natural.reads.items() if number in read} - readers
            readers |= new
            todo += [n for n in new if n not in verdicts]
        return any(n in moves or (n in verdicts and verdicts[n].right) for n in readers)


def _differentiable(forward: Pass, hand: HandGradient) -> HandGradient:
    """Return the gradient without the candidates that the loss does not depend on (detached).

    Nor can it be that of a whole buffer which the forward pass filled row by row, of a row's shape,
    or of a tensor with another shape than its own if others of that name have its shape.
    """
    if hand.claim == "name" and any(_is_row(forward, hand, node) for node in hand.candidates):
        return replace(hand, candidates=[], claim="value")
    known = [node for node in hand.candidates if node.index in forward.truth]
    shape = hand.final().value.shape
    known = [node for node in known if node.value.shape == shape] or known
    return hand if len(known) == len(hand.candidates) else replace(hand, candidates=known)


def _is_row(forward: Pass, hand: HandGradient, node: Bind) -> bool:
    row, whole = hand.final().value.shape, node.value.shape
    inner = whole[len(whole) - len(row) :] == row and len(row) < len(whole)
    return inner and forward.writes_before(replace(node, index=forward.end)) > 0


def _clips(bind: Bind) -> bool:
    """Tell whether a statement reads like clipping; an addition never does (`dclip += ...`)."""
    text = bind.statement.text
    return re.search(r"[+-]=", text) is None and CLIPPING.search(text) is not None


def _read_index(hand: HandGradient) -> int | None:
    """Return which candidate the node's name stands for where the gradient is computed."""
    if hand.read_node is None:
        return None
    value = hand.read_node.value
    return next((i for i, b in enumerate(hand.candidates) if b.value is value), None)


def _placed(fitting: Sequence[Sequence[int]], read: Sequence[int | None]) -> list[int]:
    """Return which version each definition in turn is the gradient of.

    `fitting` are the versions that its value is right for, `read` the one that the name stands for
    there, which counts unless another is right. The shift is the one that most agree on. A gradient
    that is right elsewhere goes there if the order allows it (a layer used without a gradient).
    """
    alone = len(fitting) == 1
    sure = {i: fit[0] for i, fit in enumerate(fitting) if len(fit) == 1 or (fit and alone)}
    known = {
        i: version
        for i, version in enumerate(read)
        if version is not None and (version in fitting[i] or i not in sure)
    }
    sure |= known
    shifts = [version - i for i, version in sure.items()]
    shift = max(set(shifts), key=shifts.count) if shifts else 0
    places: list[int] = []
    for i in range(len(fitting)):
        before = places[-1] if places else -1
        version = sure.get(i, i + shift)
        later = [j for k, j in sure.items() if k > i and j == k + shift]
        in_order = before < version and (not later or version < later[0])
        places.append(version if in_order or i in known else i + shift)
    return places


def _is_far(formula: Tensor | None, truth: Tensor) -> bool:
    """Tell, before the whole verdict, whether a version is far off: most are."""
    if formula is None or formula.shape != truth.shape:
        return False
    return float((formula - truth).abs().max()) > 0.5 * float(truth.abs().max())


def _may_move(hand: HandGradient, verdict: Verdict | None) -> bool:
    if verdict is None or hand.borrowed:
        return hand.claim == "value" and not hand.borrowed
    return hand.claim != "pair" and verdict.verdict == "wrong"
