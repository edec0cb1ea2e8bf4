"""What one call contributes to the gradient of a tensor that others read as well.

A layer's backward function returns the contribution of that layer. It is the whole gradient only
where nothing else reads the layer's input: in `x + f(x)` it is not.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

import torch
from torch import Tensor

from handgrad.checker.pairs.hands import HandGradient
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import Bind


def with_shares(
    forward: Pass, hands: Sequence[HandGradient]
) -> tuple[Pass, Sequence[HandGradient]]:
    """Return the pass in which a parameter's gradient is the contribution of its call.

    That holds for the parameters that a hand's `share` is about; such a parameter is then a node of
    its own, apart from the caller's tensor.
    """
    truth, parts, autograd = dict(forward.truth), dict(forward.parts), dict(forward.autograd)
    nodes: dict[int, Bind] = {}
    values: dict[tuple[int, int], Tensor] = {}
    for hand in hands:
        if hand.share is None or hand.share.end is None:
            continue
        for node in hand.candidates:
            inside = [
                (op, part)
                for op, part in forward.parts.get(node.index, ())
                if hand.share.begin <= op.index < hand.share.end
            ]
            if node.index in nodes or not inside:
                continue
            total = torch.stack([part for _, part in inside]).sum(0)
            truth[node.index], parts[node.index] = total, inside
            autograd[node.index] = total.to(node.value.dtype)
            value = values.setdefault((id(hand.share), id(node.value)), node.value.detach())
            nodes[node.index] = replace(node, value=value)
    if not nodes:
        return forward, hands
    changed = replace(forward, truth=truth, parts=parts, autograd=autograd)
    return changed, [
        _within(replace(h, candidates=[nodes.get(b.index, b) for b in h.candidates]))
        for h in hands
    ]


def _within(hand: HandGradient) -> HandGradient:
    """Return a share without what was done to it after its function had returned it."""
    if hand.share is None:
        return hand
    call = hand.binds[0].call
    return replace(hand, binds=list(takewhile(lambda b: b.call is call, hand.binds)))
