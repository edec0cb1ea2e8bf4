"""Gradients that are right for a part of the loss, where another shows that the whole is meant.

In `loss = loss1 + loss2`, all but one of the gradients may be right for loss1 alone. That one is of
loss2, and nothing reads it: its contribution was left out.
"""

from collections.abc import Callable, Mapping, Sequence

from handgrad.checker.pairs.flows import Flow
from handgrad.checker.pairs.hands import HandGradient
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.record.trace import Op, key_of


def with_wholes(
    groups: Sequence[list[HandGradient]],
    flows: Mapping[int, Flow],
    hands_of: Callable[[Sequence[HandGradient], ForwardPass], list[HandGradient]],
) -> list[list[HandGradient]]:
    """Return the groups; one of a part of the loss moves to the whole if a gradient shows it."""
    read = {n for flow in flows.values() for n in flow.reads}
    found = list(groups)
    for i, group in enumerate(groups):
        part = _pass_of(group)
        for other in groups:
            whole = _pass_of(other)
            if part is None or whole is None or not _is_part(part, whole):
                continue
            if any(_is_left_out(hand, part, whole) for hand in other if hand.number not in read):
                found[i] = hands_of(group, whole)
    return found


def _pass_of(group: Sequence[HandGradient]) -> ForwardPass | None:
    """Return the one pass of a group."""
    ends = {hand.forward.end for hand in group}
    return group[0].forward if len(ends) == 1 else None


def _is_part(part: ForwardPass, whole: ForwardPass) -> bool:
    """Tell whether one loss is computed from the other."""
    same_step = part.start == whole.start and part.end < whole.end
    return same_step and all(key_of(t) in whole.made for t in part.outputs)


def _is_left_out(hand: HandGradient, part: ForwardPass, whole: ForwardPass) -> bool:
    """Tell whether it is that of a result outside the part, computed from one inside."""
    for node in hand.candidates[:1]:
        if key_of(node.value) not in whole.made - part.made - {key_of(t) for t in whole.outputs}:
            return False
        wanted = {key_of(node.value)}
        for event in reversed(whole.events):
            if type(event) is Op and any(key_of(t) in wanted for t in event.outputs):
                wanted.update(key_of(t) for t in event.inputs)
        return bool(wanted & part.made)
    return False
