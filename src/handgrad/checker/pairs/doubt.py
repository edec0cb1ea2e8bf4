"""Pairs that only a call or an update suggests, and that the values speak against.

A function called backward may get or return something else than gradients, and a step may hold more
than the gradient (weight decay, a momentum, a factor). Such a lead is no reason to blame a line.
"""

from dataclasses import replace

from torch import Tensor

from handgrad.checker.pairs.hands import Pair
from handgrad.checker.pairs.pairing import Pairing
from handgrad.checker.pairs.updates import decayed_state
from handgrad.checker.pairs.verdict import verdict_on
from handgrad.checker.passes.compare import multiple_of, near
from handgrad.checker.passes.natural import is_natural


def without_doubtful(pairing: Pairing) -> Pairing:
    """Return the pairing without the pairs that are wrong where all that reads them is right."""
    doubts = _Doubts(pairing)
    return replace(pairing, pairs=[p for p in pairing.pairs if not doubts.about(p)])


class _Doubts:
    def __init__(self, pairing: Pairing) -> None:
        self._pairing = pairing
        pairs, values = pairing.pairs, pairing.natural.values
        if any(p.claim in ("call", "update") for p in pairs):
            verdicts = {p.number: verdict_on(p.forward, p, p.node, values) for p in pairs}
        else:
            verdicts = {}
        self._right = {number: verdict.right for number, verdict in verdicts.items()}
        self._whole = any(p.claim == "update" and self._right[p.number] for p in pairs)
        """Whether updates take gradients without a factor."""

    def about(self, pair: Pair) -> bool:
        """Tell whether a pair is more likely no pair than a mistake."""
        if pair.claim not in ("call", "update") or self._right[pair.number]:
            return False
        size = pair.forward.truth[pair.node.index].numel()
        if pair.claim == "call" and pair.final().value.numel() != size:
            return True  # only a call says so, and not even the size agrees
        if pair.claim == "update" and self._is_step(pair):
            return True
        reads = self._pairing.natural.reads
        readers = [n for n in self._right if pair.number in reads.get(n, ())]
        return bool(readers) and all(self._right[n] for n in readers)

    def _is_step(self, pair: Pair) -> bool:
        """Tell whether it is the gradient with a factor or weight decay, or is made from it."""
        natural, forward, index = self._pairing.natural, pair.forward, pair.node.index
        read = natural.reads.get(pair.number, set())
        same = [p for p in self._pairing.pairs if p.number in read]
        value, truth = natural.values.get(pair.final().index), forward.truth[index]
        noise = forward.noise[index]
        if value is not None and value.shape != truth.shape:
            value = None
        if value is not None and multiple_of(value, truth, noise) is not None:
            if decayed_state(forward.trace, pair.binds[0]) is not None:
                return True  # an average of gradients begins with a fraction of the first
            return not (self._whole or is_natural(forward))  # a natural loss has any factor
        if any(self._right[p.number] for p in same if p.node.value is pair.node.value):
            return True
        if value is None:
            return False
        if pair.node.value.shape != truth.shape:
            return False
        weights = forward.trace.at(pair.node.value, pair.node.index + 1).to(truth)
        return _is_decayed(value, truth, weights, noise)


def _is_decayed(value: Tensor, truth: Tensor, weights: Tensor, noise: Tensor) -> bool:
    """Tell whether value = truth + r * weights, for some number r."""
    square = float((weights * weights).sum())
    if not square:
        return False
    rate = float(((value - truth) * weights).sum()) / square
    return bool(near(value, truth + rate * weights, noise * max(1.0, abs(rate))).all())
