"""Gradients that are one part of a node's gradient, to which the program adds the rest.

    dinp = norm_backward(dxn)       # the part through the norm
    dstream = dstream + dinp        # the whole: inp and stream are one tensor

Both names say the same node, but only the second is its gradient.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from handgrad.checker.pairs.hands import HandGradient, Pair
from handgrad.checker.pairs.pairing import Pairing
from handgrad.checker.pairs.verdict import verdict_on
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import Op, key_of

ALIKE = 1e-3
"""How far the rest may be from a multiple of what is added, relative to its largest element."""
_SUMS = {"add", "add_", "__add__", "__radd__", "__iadd__", "sub", "__sub__", "__isub__"}


def with_partial(pairing: Pairing, hands: Sequence[HandGradient]) -> Sequence[HandGradient]:
    """Return the gradients; of those that are a part, `within` says which operations' part.

    What one execution of a statement shows holds for all, where others upstream are wrong.
    """
    parts = list(_parts(pairing))
    lines = {p.binds[0].statement for p, _, rest in parts if _adds(pairing.forward, p, rest)}
    found = {p.number: (p, within) for p, within, _ in parts if p.binds[0].statement in lines}
    if not found:
        return hands
    return [
        replace(hand, candidates=[found[hand.number][0].node], within=found[hand.number][1])
        if hand.number in found
        else hand
        for hand in hands
    ]


def _parts(pairing: Pairing) -> Iterator[tuple[Pair, range, Tensor]]:
    """Yield the gradients that may be a part, the part's operations, and the rest."""
    forward, natural = pairing.forward, pairing.natural
    nodes = {pair.number: id(pair.node.value) for pair in pairing.pairs}
    for pair in pairing.pairs:
        contributions = forward.parts.get(pair.node.index, ())
        if pair.claim != "name" or len(contributions) < 2 or pair.node.index not in forward.noise:
            continue
        read = {nodes[n] for n in natural.reads.get(pair.number, ()) if n in nodes}
        leads = _leading(forward, {op.index for op, _ in contributions}, read, nodes)
        rest = [part for op, part in contributions if op.index not in leads]
        if not leads or not rest:
            continue
        within = range(min(leads), max(leads) + 1)
        if any(op.index in within and op.index not in leads for op, _ in contributions):
            continue
        if not verdict_on(forward, pair, pair.node, natural.values).right:
            yield pair, within, torch.stack(rest).sum(0)


def _leading(forward: Pass, uses: set[int], ends: set[int], nodes: Mapping[int, int]) -> set[int]:
    """Return the operations of `uses` that lead to one of `ends`, past no node with a gradient."""
    stops = set(nodes.values())
    reached: dict[int, set[int]] = {}
    found: set[int] = set()
    for event in forward.events:
        if type(event) is not Op:
            continue
        sources = {event.index} & uses
        for tensor in event.inputs:
            if id(tensor) not in stops:
                sources |= reached.get(id(tensor), set())
        for tensor in event.outputs:
            reached[id(tensor)] = sources
            if id(tensor) in ends:
                found |= sources
    return found


def _adds(forward: Pass, pair: Pair, rest: Tensor) -> bool:
    """Tell whether the program adds to it what is missing, or a multiple of that."""
    final = pair.final()
    key = key_of(final.value)
    for event in forward.trace.of(Op):
        if event.index <= final.index or event.func.__name__ not in _SUMS:
            continue
        others = [t for t in event.inputs if key_of(t) != key]
        if len(others) == len(event.inputs) or any(t.shape != rest.shape for t in others):
            continue
        if any(_is_multiple(forward.trace.at(t, event.index), rest) for t in others):
            return True
    return False


def _is_multiple(value: Tensor, of: Tensor) -> bool:
    value = value.detach().to(of)
    square = float((of * of).sum())
    if not square or not bool(value.isfinite().all()):
        return False
    factor = float((value * of).sum()) / square
    return factor > 0 and bool(((value - factor * of).abs() <= ALIKE * value.abs().max()).all())
