"""Pairs that only a call or an update suggests, and that the values speak against.

A function called backward may get or return something else than gradients, and a step may hold more
than the gradient (weight decay, a momentum, a factor). Such a lead is no reason to blame a line.
"""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from handgrad.checker.pairs.hands import Pair
from handgrad.checker.pairs.pairing import Pairing
from handgrad.checker.pairs.verdict import Verdict, verdict_on
from handgrad.checker.passes.compare import multiple_of, near


def without_doubtful(pairing: Pairing) -> Pairing:
    """Return the pairing without the pairs that are wrong where all that reads them is right."""
    leads = [p for p in pairing.pairs if p.claim in ("call", "update")]
    if not leads:
        return pairing
    natural = pairing.natural
    verdicts = {p.number: verdict_on(p.forward, p, p.node, natural.values) for p in pairing.pairs}
    left = [p for p in pairing.pairs if not (p in leads and _is_doubtful(p, pairing, verdicts))]
    return replace(pairing, pairs=left)


def _is_doubtful(pair: Pair, pairing: Pairing, verdicts: Mapping[int, Verdict]) -> bool:
    if verdicts[pair.number].right:
        return False
    if pair.claim == "update" and _is_step(pair, pairing, verdicts):
        return True
    reads = pairing.natural.reads
    readers = [n for n in verdicts if pair.number in reads.get(n, ())]
    return bool(readers) and all(verdicts[n].right for n in readers)


def _is_step(pair: Pair, pairing: Pairing, verdicts: Mapping[int, Verdict]) -> bool:
    """Tell whether it is the gradient with a factor, or with weight decay, or made from it."""
    own = pairing.natural.reads.get(pair.number, set())
    same = [p for p in pairing.pairs if p.number in own and p.node.value is pair.node.value]
    if any(verdicts[p.number].right for p in same):
        return True
    forward, index = pair.forward, pair.node.index
    value, truth = pairing.natural.values.get(pair.final().index), forward.truth[index]
    if value is None or value.shape != truth.shape:
        return False
    noise = forward.noise[index]
    if multiple_of(value, truth, noise) is not None:
        return True
    weights = forward.trace.at(pair.node.value, pair.node.index + 1).to(truth)
    return _is_decayed(value, truth, weights, noise)


def _is_decayed(value: Tensor, truth: Tensor, weights: Tensor, noise: Tensor) -> bool:
    """Tell whether value = truth + r * weights, for some number r."""
    square = float((weights * weights).sum())
    if not square:
        return False
    rate = float(((value - truth) * weights).sum()) / square
    return bool(near(value, truth + rate * weights, noise * max(1.0, abs(rate))).all())
