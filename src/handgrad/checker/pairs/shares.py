"""Gradients by hand that are a part or a multiple of a node's gradient.

A layer's backward function returns the contribution of that layer. It is the whole gradient only
where nothing else reads the layer's input: in `x + f(x)` it is not. The step in an update,
`W -= lr * (x.T @ d)`, is the gradient times the learning rate.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

import torch
from torch import Tensor

from handgrad.checker.pairs.hands import HandGradient
from handgrad.checker.passes.truth import Part, Pass
from handgrad.checker.record.call import Call
from handgrad.checker.record.trace import Bind, Op

ALIKE = 1e-3
"""How far a step may be from a multiple of the gradient, relative to its largest element. Mistakes
that change less are found afterwards, with the multiple as the scale."""


def with_shares(
    forward: Pass, hands: Sequence[HandGradient]
) -> tuple[Pass, Sequence[HandGradient]]:
    """Return the pass with a node for each part and multiple, and the hands with these nodes."""
    parts = _Parts(forward)
    changed = [parts.partial(parts.stepped(hand)) for hand in hands]
    shared = [hand for hand in hands if hand.share is not None]
    for hand in shared:
        for node in hand.candidates:
            parts.share(node, hand.share)
    # a tensor that is passed on, of which nothing is known, is judged by its own name if at all
    found = [parts.of(hand) for hand in changed if hand.candidates or not hand.unnamed]
    return parts.passed(), found


class _Parts:
    """The nodes that stand for parts and multiples."""

    def __init__(self, forward: Pass) -> None:
        self.forward = forward
        self.truth, self.noise = dict(forward.truth), dict(forward.noise)
        self.contributions = dict(forward.parts)
        self.autograd = dict(forward.autograd)
        self.parts_of = dict(forward.parts_of)
        self.nodes: dict[int, Bind] = {}
        self.values: dict[tuple[int, int], Tensor] = {}

    def stepped(self, hand: HandGradient) -> HandGradient:
        """Return the step of an update with a node whose gradient is the step's multiple."""
        if hand.factor is None or not hand.candidates:
            return hand
        forward, node, index = self.forward, hand.candidates[0], hand.binds[0].index
        if node.index not in forward.truth:
            return hand
        factor = _factor(hand, forward.truth[node.index])
        self.truth[index] = forward.truth[node.index] * factor
        self.noise[index] = forward.noise[node.index] * abs(factor)
        self.contributions[index] = [
            (op, part * factor) for op, part in forward.parts.get(node.index, ())
        ]
        if node.index in forward.autograd:
            self.autograd[index] = forward.autograd[node.index] * factor
        value = node.value.detach()
        self.parts_of[id(value)] = Part(id(node.value), value, None, factor)
        return replace(hand, candidates=[replace(node, index=index, value=value)])

    def partial(self, hand: HandGradient) -> HandGradient:
        """Return a gradient of some operations with a node of its own."""
        if hand.within is None or not hand.candidates:
            return hand
        node, index = hand.candidates[0], hand.binds[0].index
        inside = self._inside(node, hand.within)
        if not inside:
            return hand
        self.noise[index] = self.forward.noise[node.index]
        part = self._part(node, index, hand.within, inside, node.value.detach())
        return replace(hand, candidates=[part])

    def share(self, node: Bind, call: Call | None) -> None:
        """Let a parameter's gradient be what its call contributes."""
        if call is None or call.end is None or node.index in self.nodes:
            return
        within = range(call.begin, call.end)
        inside = self._inside(node, within)
        if not inside:
            return
        value = self.values.setdefault((id(call), id(node.value)), node.value.detach())
        self.nodes[node.index] = self._part(node, node.index, within, inside, value)

    def _inside(self, node: Bind, within: range) -> list[tuple[Op, Tensor]]:
        parts = self.forward.parts.get(node.index, ())
        return [(op, part) for op, part in parts if op.index in within]

    def _part(
        self,
        node: Bind,
        index: int,
        within: range,
        inside: list[tuple[Op, Tensor]],
        value: Tensor,
    ) -> Bind:
        """Return a node of that index whose gradient is the sum of some contributions."""
        total = torch.stack([part for _, part in inside]).sum(0)
        self.truth[index], self.contributions[index] = total, inside
        self.autograd[index] = total.to(node.value.dtype)
        self.parts_of[id(value)] = Part(id(node.value), value, within)
        return replace(node, index=index, value=value)

    def of(self, hand: HandGradient) -> HandGradient:
        """Return the gradient with its new candidates."""
        return _within(
            replace(hand, candidates=[self.nodes.get(b.index, b) for b in hand.candidates])
        )

    def passed(self) -> Pass:
        """Return the pass that knows these nodes."""
        return replace(
            self.forward,
            truth=self.truth,
            parts=self.contributions,
            noise=self.noise,
            autograd=self.autograd,
            parts_of=self.parts_of,
        )


def _factor(hand: HandGradient, truth: Tensor) -> float:
    """Return what the step multiplies the gradient by, whatever the learning rate contains.

    It may hold the batch size, or a 2 that the loss has not: where the step is a multiple of the
    gradient, in the right direction, that multiple counts.
    """
    assert hand.factor is not None
    final = hand.final()
    step = hand.forward.trace.at(final.value, final.index).detach().double()
    square = float((truth * truth).sum())
    if step.shape != truth.shape or not square:
        return hand.factor
    factor = float((step.to(truth) * truth).sum()) / square
    # within the rounding of float32 sums; exact judgement follows
    alike = bool(((step - factor * truth).abs() <= ALIKE * step.abs().max()).all())
    return factor if alike and factor * hand.factor > 0 else hand.factor


def _within(hand: HandGradient) -> HandGradient:
    """Return a share without what was done to it after its function had returned it."""
    if hand.share is None:
        return hand
    call = hand.binds[0].call
    return replace(hand, binds=list(takewhile(lambda b: b.call is call, hand.binds)))
