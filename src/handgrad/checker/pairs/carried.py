"""Gradients that a loop over time carries from one step to the one before.

`dh_next = draw @ Wh.T` is what the next step contributes to the gradient of h. What h contributes
in its own step is added where it is read, `dh = dy @ Wy.T + dh_next`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from handgrad.checker.pairs.backward import BackwardRun
from handgrad.checker.pairs.hands import HandGradient, Pair
from handgrad.checker.pairs.verdict import right_lines, verdict_on
from handgrad.checker.passes.truth import Part, Pass
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, Op

MOST_TRIED = 6
"""So many loops of the forward pass are tried for one gradient at most: each costs a replay."""


def with_carried(
    forward: Pass, hands: Sequence[HandGradient], pairs: Sequence[Pair], natural: BackwardRun
) -> list[Pair]:
    """Return the pairs, with the gradients that a loop carries as parts of their nodes' gradients.

    The pass of the pairs knows these parts.
    """
    found = {p.number: p for p in pairs}
    loops: dict[tuple[str, Statement], list[HandGradient]] = {}
    for hand in hands:
        if hand.claim in ("name", "value") and not hand.borrowed and hand.share is None:
            loops.setdefault((hand.name, hand.own_final().statement), []).append(hand)
    for (name, _), loop in loops.items():
        right = (verdict_on(forward, p, p.node, natural.values).right
                 for h in loop if (p := found.get(h.number)) is not None)  # fmt: skip
        if len(loop) < 2 or sum(right) > 1:
            continue
        # nothing is carried into the last step
        first = {h.number for h in hands
                 if h.name == name and h.number < loop[0].number and _is_zero(h)}  # fmt: skip
        others = {n: p for n, p in found.items() if n not in first}
        carried = _carried(forward, loop, others, natural)
        if carried is not None:
            forward, mine = carried
            found = others | {p.number: p for p in mine}
    return [replace(p, forward=forward) for _, p in sorted(found.items())]


def _is_zero(hand: HandGradient) -> bool:
    return not hand.final().value.any()


def _carried(
    forward: Pass,
    loop: Sequence[HandGradient],
    pairs: Mapping[int, Pair],
    natural: BackwardRun,
) -> tuple[Pass, list[Pair]] | None:
    """Return the pass with the parts that a loop carries, and its pairs; None if it carries none.

    They are right for these parts, or their lines are, or what reads them is right with the true
    parts.
    """
    before: set[int] | None = None
    for nodes in _states(forward, loop)[:MOST_TRIED]:
        whole = forward
        mine = []
        for hand, node in zip(loop, nodes[-2::-1], strict=False):
            whole, part = _with_part(whole, node, hand)
            if part is None:
                break
            mine.append(Pair(hand.number, hand.name, hand.binds, whole, part, "value"))
        else:
            mine += _last(whole, loop[len(mine) :], nodes[0])
            mine = [replace(p, forward=whole) for p in mine]
            if all(verdict_on(whole, p, p.node, natural.values).right for p in mine):
                return whole, mine
            before = right_lines(forward, pairs.values()) if before is None else before
            numbers = {p.number for p in mine}
            others = [p for n, p in pairs.items() if n not in numbers]
            right = right_lines(whole, [*others, *mine])
            if before - numbers < right - numbers or before | numbers <= right:
                return whole, mine
    return None


def _last(forward: Pass, left: Sequence[HandGradient], first: Bind) -> list[Pair]:
    """Return the pair of the loop's last definition: the gradient of the state before the loop."""
    found = []
    for hand in left[:1]:
        before = [b for b in hand.candidates if b.index < first.index and b.index in forward.truth]
        found += [Pair(hand.number, hand.name, hand.binds, forward, b, "name") for b in before[:1]]
    return found


def _states(forward: Pass, loop: Sequence[HandGradient]) -> list[list[Bind]]:
    """Return the nodes of the gradients' shape that one statement of a loop computes, in order.

    There is one for each step, so for each definition, the first step's too.
    """
    shape = loop[0].final().value.shape
    by_statement: dict[Statement, dict[int, Bind]] = {}
    for node in forward.nodes():
        named = type(forward.trace.events[node.index]) is Bind and node.kind != "param"
        if named and node.index in forward.truth and node.value.shape == shape:
            by_statement.setdefault(node.statement, {})[id(node.value)] = node
    found = [list(nodes.values()) for nodes in by_statement.values()]
    return [nodes for nodes in found if len(nodes) == len(loop)]


def _with_part(forward: Pass, node: Bind, hand: HandGradient) -> tuple[Pass, Bind | None]:
    """Return the pass with a node whose gradient is what the next step contributes to `node`."""
    inside = [(op, part) for op, part in forward.parts.get(node.index, ()) if _is_next(op, node)]
    if not inside:
        return forward, None
    index, value = hand.binds[0].index, node.value.detach()
    total = torch.stack([part for _, part in inside]).sum(0)
    within = range(min(op.index for op, _ in inside), max(op.index for op, _ in inside) + 1)
    whole = replace(
        forward,
        truth={**forward.truth, index: total},
        parts={**forward.parts, index: inside},
        noise={**forward.noise, index: forward.noise[node.index]},
        autograd={**forward.autograd, index: total.to(node.value.dtype)},
        parts_of={**forward.parts_of, id(value): Part(id(node.value), value, within)},
    )
    return whole, replace(node, index=index, value=value)


def _is_next(op: Op, node: Bind) -> bool:
    """Tell whether the operation ran in a later step than the one that computed the node."""
    if op.ran_in is None:
        return False
    place, own = op.ran_in[0].place, node.statement.place
    same = op.ran_in[0].function == node.statement.function and place.cell == own.cell
    return same and place.line <= own.line
