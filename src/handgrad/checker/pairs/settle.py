"""Names that mislead: a gradient whose value is another node's (`dh` where h is called a)."""

import re
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from handgrad.checker.judge.grade import Grade, Grader
from handgrad.checker.pairs.hands import Hand
from handgrad.checker.record.trace import Bind

SIGNIFICANT = 1e3
"""A node's gradient must stand this far above its noise before its value tells anything."""

_CLIPS = re.compile(r"clip|clamp")
CLIPPING = re.compile(r"clip|clamp|\w*norm\b|\bmin\(|\blr\b|learning_rate|step_size")
"""What a statement reads like that changes a finished gradient on purpose."""


def settle(grader: Grader) -> None:
    """Give each gradient that is wrong for its node the node that it is right for, if one is free.

    Free is a node that no other gradient is right for. A name that says its node outright gives way
    only where what was computed from the gradient is right: a forgotten factor makes `dhpreact`
    equal to dh too, but then everything after it is wrong. Likely names for which no node was found
    are dropped from `grader.hands`.
    """
    _settle_versions(grader)
    grades = {h.number: grader.verdict(h) for h in grader.hands if h.node is not None}
    moves: dict[int, Bind] = {}
    while True:
        before = len(moves)
        taken = {_value_id(h.node) for h in grader.hands if h.node and h.number not in moves}
        taken |= {_value_id(node) for node in moves.values()}
        for hand in grader.hands:
            if hand.number not in moves and _may_move(hand, grades):
                node = _match(grader, hand, taken)
                if node is not None and _follows(grader, hand, grades, moves):
                    moves[hand.number] = node
                    taken.add(_value_id(node))
        if len(moves) == before:
            break
    moved = [h for h in grader.hands if h.number in moves]
    for hand in moved:
        hand.node, hand.claim = moves[hand.number], "value"
    grader.hands = [h for h in grader.hands if h.node is not None]
    for hand in grader.hands:
        _set_aside(grader, hand)


def _set_aside(grader: Grader, hand: Hand) -> None:
    """Leave out the clippings that a gradient went through after it was finished."""
    binds, last = hand.binds, len(hand.binds)
    while last > 1 and binds[last - 1].kind == "update" and _clips(binds[last - 1]):
        last -= 1
    if last == len(binds):
        return
    before = replace(hand, binds=binds[:last])
    outright = all(b.alias or _CLIPS.search(b.statement.text) for b in binds[last:])
    if outright or grader.verdict(before).verdict != "wrong":
        if not grader.verdict(hand).right:
            hand.clipped = binds[last].statement
        hand.binds = before.binds


def _clips(bind: Bind) -> bool:
    """Tell what reads like clipping. Never an addition: `dclip += ...` adds a branch."""
    text = bind.statement.text
    return re.search(r"[+-]=", text) is None and CLIPPING.search(text) is not None


def _settle_versions(grader: Grader) -> None:
    """Where a loop over time names a node again and again, find each gradient's own version.

    A backward pass takes the versions in reverse: its k-th definition is the gradient of the k-th
    last. Those that are right show by how much that is shifted (a first one before the loop).
    """
    groups: dict[tuple[str, str], list[Hand]] = {}
    for hand in grader.hands:
        if len(hand.versions) > 1:
            function = hand.binds[0].statement.function
            groups.setdefault((function, hand.name), []).append(hand)
    for hands in groups.values():
        fitting = [
            [j for j, node in enumerate(hand.versions) if _may_be(grader, hand, node)]
            for hand in hands
        ]
        told = [_index(hand) for hand in hands]
        for hand, at in zip(hands, _placed(fitting, told), strict=True):
            versions = hands[0].versions
            hand.node = versions[at] if 0 <= at < len(versions) else None


def _index(hand: Hand) -> int | None:
    if hand.told is None:
        return None
    return next((i for i, b in enumerate(hand.versions) if b.value is hand.told.value), None)


def _placed(fitting: Sequence[Sequence[int]], told: Sequence[int | None]) -> list[int]:
    """Return which version each definition in turn is the gradient of.

    `fitting` are the versions that its value is right for, `told` the one that its name stands for
    there: it counts unless another is right. What most agree on is the shift; one that is right
    elsewhere goes there if the order allows it (a layer used without a gradient).
    """
    alone = len(fitting) == 1
    sure = {i: fit[0] for i, fit in enumerate(fitting) if len(fit) == 1 or (fit and alone)}
    known = {
        i: at for i, at in enumerate(told) if at is not None and (at in fitting[i] or i not in sure)
    }
    sure |= known
    shifts = [at - i for i, at in sure.items()]
    shift = max(set(shifts), key=shifts.count) if shifts else 0
    places: list[int] = []
    for i in range(len(fitting)):
        before = places[-1] if places else -1
        at = sure.get(i, i + shift)
        later = [j for k, j in sure.items() if k > i and j == k + shift]
        in_order = before < at and (not later or at < later[0])
        places.append(at if in_order or i in known else i + shift)
    return places


def _may_be(grader: Grader, hand: Hand, node: Bind) -> bool:
    truth, value = grader.forward.truth.get(node.index), hand.final().value
    if truth is None or value.shape != truth.shape or not _significant(grader, node):
        return False
    if _is_far(grader.natural.values.get(hand.final().index), truth):
        return False
    return grader.verdict(_as(hand, node)).right


def _is_far(formula: Tensor | None, truth: Tensor) -> bool:
    """A look before the whole verdict: most versions are far off."""
    if formula is None or formula.shape != truth.shape:
        return False
    return float((formula - truth).abs().max()) > 0.5 * float(truth.abs().max())


def _may_move(hand: Hand, grades: dict[int, Grade]) -> bool:
    if hand.node is None or hand.borrowed:
        return hand.claim == "value" and not hand.borrowed
    return hand.claim != "pair" and grades[hand.number].verdict == "wrong"


def _match(grader: Grader, hand: Hand, taken: set[int]) -> Bind | None:
    """Return the one free node that the value is right for."""
    found: dict[int, Bind] = {}
    for node in grader.forward.nodes():
        truth = grader.forward.truth.get(node.index)
        if truth is None or node.kind == "param" or _value_id(node) in taken:
            continue
        if truth.shape != hand.final().value.shape or not _significant(grader, node):
            continue
        if grader.verdict(_as(hand, node)).right:
            found[_value_id(node)] = node
    return next(iter(found.values())) if len(found) == 1 else None


def _follows(grader: Grader, hand: Hand, grades: dict[int, Grade], moves: dict[int, Bind]) -> bool:
    """Tell whether what was computed from the gradient bears the new node out."""
    if hand.claim != "name" or hand.node is None:
        return True
    readers = [g for n, g in grades.items() if hand.number in grader.natural.reads.get(n, ())]
    return bool(readers) and any(g.right or g.hand.number in moves for g in readers)


def _significant(grader: Grader, node: Bind) -> bool:
    truth, noise = grader.forward.truth[node.index], grader.forward.noise[node.index]
    return truth.numel() > 1 and float(truth.abs().max()) > SIGNIFICANT * float(noise.max())


def _as(hand: Hand, node: Bind) -> Hand:
    return Hand(hand.number, hand.name, hand.binds, hand.forward, node, "value")


def _value_id(node: Bind | Tensor) -> int:
    return id(node.value) if isinstance(node, Bind) else id(node)


def chosen(grader: Grader, hands: Sequence[Hand]) -> tuple[list[Hand], list[Hand]]:
    """Return the definition of each name to grade, and the later ones that nothing reads.

    A gradient written again (the fused form after the chunked one) is graded where others are
    computed from it; where none are, the last counts.
    """
    read = {n for reads in grader.natural.reads.values() for n in reads}
    by_name: dict[tuple[str, str, int], list[Hand]] = {}
    for hand in hands:
        assert hand.node is not None
        key = (hand.binds[0].statement.function, hand.name, id(hand.node.value))
        by_name.setdefault(key, []).append(hand)
    first, again = [], []
    for group in by_name.values():
        used = [h for h in group if h.number in read]
        main = used[-1] if used else group[-1]
        first.append(main)
        again += [h for h in group if h.number > main.number]
    repeated = {(h.name, h.own_final().statement.place) for h in first}
    again = [h for h in again if (h.name, h.own_final().statement.place) not in repeated]
    return sorted(first, key=lambda h: h.number), again
