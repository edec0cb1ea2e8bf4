"""Which losses are worth trying by value: each costs a differentiation."""

from collections.abc import Sequence

from handgrad.checker.pairs.hands import HandGradient
from handgrad.checker.passes.forward import ForwardPass

MOST_TRIED = 6
"""So many losses are tried by value at most: each costs a differentiation."""
LARGE = 64 * 2**20
"""The bytes that a pass computes from which on its differentiation costs seconds."""


def worth_trying(
    tries: Sequence[tuple[ForwardPass, list[HandGradient]]],
) -> Sequence[tuple[ForwardPass, list[HandGradient]]]:
    """Return the passes to differentiate: a large one only where no other fits the shapes as well.

    The evaluation of a whole data set computes the same names in other shapes.
    """
    fitting = [sum(map(_has_its_shape, hands)) for _, hands in tries]
    counted = list(zip(fitting, tries, strict=True))
    most = max((n for n, (p, _) in counted if p.size <= LARGE), default=-1)
    return [(p, hands) for n, (p, hands) in counted if p.size <= LARGE or n > most][:MOST_TRIED]


def _has_its_shape(hand: HandGradient) -> bool:
    return any(b.value.shape == hand.final().value.shape for b in hand.candidates)
