"""Gradients that have a second name: `grads["b"] = db` in one of several layers."""

from collections.abc import Sequence
from dataclasses import replace

from handgrad.checker.pairs.hands import HandGradient, Pair
from handgrad.checker.record.trace import key_of


def with_aliases(pairs: Sequence[Pair], hands: Sequence[HandGradient]) -> list[Pair]:
    """Return the pairs; where a name may stand for several nodes, a second name has the first's.

    Which layer's `b` is meant shows where the gradient was computed, not where it is stored.
    """
    candidates = {h.number: {id(b.value) for b in h.candidates} for h in hands}
    first: dict[int, Pair] = {}
    found = []
    for pair in pairs:
        known = first.setdefault(key_of(pair.final().value), pair)
        may_be = candidates.get(pair.number, set())
        if len(may_be) > 1 and id(known.node.value) in may_be:
            pair = replace(pair, node=known.node)
        found.append(pair)
    return found
