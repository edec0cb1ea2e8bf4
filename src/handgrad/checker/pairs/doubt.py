"""Pairs that only a call or an update suggests, and that the values speak against.

A function called backward may get or return something else than gradients, and a step may hold more
than the gradient (weight decay, a momentum, a factor). Such a lead is no reason to blame a line.
"""

from dataclasses import replace
from itertools import combinations

import torch
from torch import Tensor

from handgrad.checker.pairs.hands import Pair
from handgrad.checker.pairs.pairing import Pairing
from handgrad.checker.pairs.updates import decayed_state
from handgrad.checker.pairs.verdict import verdict_on
from handgrad.checker.passes.compare import multiple_of, near
from handgrad.checker.passes.natural import is_natural
from handgrad.checker.record.call import Call, floats_in
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, Trace, key_of

MOST_PARTS = 8
"""Of a gradient, when its shares are tried."""


def without_doubtful(pairing: Pairing) -> Pairing:
    """Return the pairing without the pairs that are wrong where all that reads them is right."""
    doubts = _Doubts(pairing)
    return replace(pairing, pairs=[p for p in pairing.pairs if not doubts.about(p)])


class _Doubts:
    def __init__(self, pairing: Pairing) -> None:
        self._pairing = pairing
        pairs, values = pairing.pairs, pairing.natural.values
        inside = any(p.binds[0].call is not None for p in pairs)
        twins = _twins(pairing.forward.trace)
        self._twins = {p.number for p in pairs if id(p.node.value) in twins}
        if inside or self._twins or any(p.claim in ("call", "update") for p in pairs):
            verdicts = {p.number: verdict_on(p.forward, p, p.node, values) for p in pairs}
        else:
            verdicts = {}
        self._right = {number: verdict.right for number, verdict in verdicts.items()}
        self._whole = any(p.claim == "update" and self._right[p.number] for p in pairs)
        """Whether updates take gradients without a factor."""

    def about(self, pair: Pair) -> bool:
        """Tell whether a pair is more likely no pair than a mistake."""
        if self._right.get(pair.number, True) or pair.claim == "pair":
            return False
        if pair.number in self._twins and self._is_share(pair):
            return True
        if self._is_inside_right(pair) or self._is_of_another(pair):
            return True
        if pair.claim not in ("call", "update"):
            return False
        size = pair.forward.truth[pair.node.index].numel()
        if pair.claim == "call" and pair.final().value.numel() != size:
            return True  # only a call says so, and not even the size agrees
        if pair.claim == "update" and self._is_step(pair):
            return True
        reads = self._pairing.natural.reads
        readers = [n for n in self._right if pair.number in reads.get(n, ())]
        return bool(readers) and all(self._right[n] for n in readers)

    def _is_inside_right(self, pair: Pair) -> bool:
        """Tell whether a function computes it, and all that others make of it is right.

        Or what it returns, where it is returned to nobody who says what it is.
        Then its name means something else than it seems to: it is the function's own business.
        """
        call, key = pair.binds[0].call, key_of(pair.final().value)
        others = (p for p in self._pairing.pairs if p.node.value is not pair.node.value)
        if call is None or any(key_of(p.final().value) == key for p in others):
            return False  # at the top of a file, or another gradient under its name: `db = dy`
        reads, seen, todo = self._pairing.natural.reads, {pair.number}, [pair.number]
        while todo:
            number = todo.pop()
            new = {n for n, read in reads.items() if number in read} | self._same(number)
            new -= seen
            seen |= new
            todo += new
        follow = [p for p in self._pairing.pairs if p.number in seen and p is not pair]
        outside = [p for p in follow if not _is_within(p.binds[0].call, call)]
        if not outside:
            returned = {key_of(t) for t in floats_in(call.result)}
            last = {key_of(p.final().value): p for p in follow}
            outside = [p for key, p in last.items() if key in returned]
        return bool(outside) and all(self._right[p.number] for p in outside)

    def _is_share(self, pair: Pair) -> bool:
        """Tell whether it is what some of the operations contribute: those that read one name."""
        index = pair.node.index
        value = self._pairing.natural.values.get(pair.final().index)
        truth = pair.forward.truth[index]
        parts = [part for _, part in pair.forward.parts.get(index, ())]
        if value is None or value.shape != truth.shape or len(parts) > MOST_PARTS:
            return False
        noise = pair.forward.noise[index]
        shares = (c for n in range(1, len(parts)) for c in combinations(parts, n))
        return any(bool(near(value, torch.stack(c).sum(0), noise).all()) for c in shares)

    def _is_of_another(self, pair: Pair) -> bool:
        """Tell whether a function's name has misled: its caller's gradient of that name is right.

        `dn` inside of a function need not be the gradient of its caller's n.
        """
        call = pair.binds[0].call
        return call is not None and any(
            self._right[p.number] and p.node.value is pair.node.value and p.name == pair.name
            for p in self._pairing.pairs
            if p.binds[0].call is not call and _calls(p.binds[0].call, call)
        )

    def _same(self, number: int) -> set[int]:
        """Return the pairs that are the same gradient under other names, as a caller has it."""
        pairs = self._pairing.pairs
        own = next((p for p in pairs if p.number == number), None)
        return {
            p.number
            for p in pairs
            if own is not None
            and p.node.value is own.node.value
            and key_of(p.final().value) == key_of(own.final().value)
        }

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


def _twins(trace: Trace) -> set[int]:
    """Return the tensors, by id, that one statement gave two names: `h = c = np.zeros(n)`."""
    names: dict[tuple[int, Statement], set[str]] = {}
    for bind in trace.of(Bind):
        if bind.kind == "assign":
            names.setdefault((id(bind.value), bind.statement), set()).add(bind.name)
    return {tensor for (tensor, _), own in names.items() if len(own) > 1}


def _calls(outer: Call | None, call: Call) -> bool:
    """Tell whether a call was made, directly or not, from another one, or from the top."""
    return outer is None or _is_within(call, outer)


def _is_within(call: Call | None, outer: Call) -> bool:
    """Tell whether a call is another one, or runs inside of it."""
    while call is not None and call is not outer:
        call = call.caller
    return call is outer


def _is_decayed(value: Tensor, truth: Tensor, weights: Tensor, noise: Tensor) -> bool:
    """Tell whether value = truth + r * weights, for some number r."""
    square = float((weights * weights).sum())
    if not square:
        return False
    rate = float(((value - truth) * weights).sum()) / square
    return bool(near(value, truth + rate * weights, noise * max(1.0, abs(rate))).all())
