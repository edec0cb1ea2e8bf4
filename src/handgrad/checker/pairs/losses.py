"""Which loss each gradient by hand follows from.

A file may compute several: one for each step of a loop, a validation loss, one moved for finite
differences. Gradients that read each other follow from one loss, or from a sum: they read tensors
that only this loss was computed from. Where several losses were computed from the same tensors, it
is the one that backward() ran on or, without backward(), the one that the values are right for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from handgrad.checker.pairs.calls import Leads, find_leads
from handgrad.checker.pairs.factors import alike
from handgrad.checker.pairs.flows import (
    Flow,
    accumulates,
    between,
    computed_again,
    covering,
    discarded,
    flows_of,
    groups,
    is_forward,
    is_kept,
    without_blanks,
)
from handgrad.checker.pairs.hands import Definition, HandGradient
from handgrad.checker.pairs.naming import Naming
from handgrad.checker.pairs.pairing import Pairing, paired
from handgrad.checker.pairs.parts import with_wholes
from handgrad.checker.pairs.shares import with_shares
from handgrad.checker.pairs.tries import worth_trying
from handgrad.checker.pairs.updates import decayed_state
from handgrad.checker.pairs.verdict import right_lines, verdict_on
from handgrad.checker.passes.find import LOSSES, merged
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.passes.natural import is_natural
from handgrad.checker.passes.truth import Pass, differentiated
from handgrad.checker.record.trace import Bind, Elsewhere, Trace, key_of
from handgrad.errors import CheckError

MOST_KEPT = 64 * 2**20
"""Differentiated passes are kept for other gradients while they compute fewer bytes in all."""


def hands_by_loss(
    trace: Trace,
    passes: Sequence[ForwardPass],
    pairs: Mapping[str, str],
    leads: Leads | None = None,
) -> list[HandGradient]:
    """Return what may be gradients by hand, each with the pass of its loss, in program order."""
    naming = Naming.of(trace, passes, pairs, leads or find_leads(trace))
    start = min((p.end for p in passes), default=0)
    others = between(trace, start, naming)
    # a name of what some step's gradients read means something else where a model is evaluated
    found = [
        d
        for d in naming.definitions(set(others.values()))
        if not is_forward(d, passes) and (naming.suggests(d) or not is_kept(d, passes))
    ]
    read = {d.binds[0].statement for d in found if any(id(b.value) in others for b in d.binds)}
    again = computed_again(trace, passes)
    definitions = [
        d
        for d in found
        if naming.suggests(d) or (d.binds[0].statement in read and not again(d.final()))
    ]
    if not definitions:
        return []
    return sorted(_Losses(trace, passes, naming).of(definitions), key=lambda h: h.number)


class _Count(NamedTuple):
    """How many gradients are right for a pass, and how many but for one factor."""

    right: int
    alike: int


@dataclass(frozen=True, eq=False)
class _Losses:
    trace: Trace
    passes: Sequence[ForwardPass]
    naming: Naming
    lost: set[int] = field(default_factory=set)
    """The gradients that `=` replaced where `+=` was meant."""
    truths: dict[ForwardPass, Pass] = field(default_factory=dict)
    """The passes differentiated last: many groups of gradients try the same ones."""

    def of(self, definitions: Sequence[Definition]) -> list[HandGradient]:
        """Return each definition with its pass."""
        flows = flows_of(definitions, self.trace, self.passes, self.naming)
        for definition in definitions:
            if decayed_state(self.trace, definition.binds[0]) is not None:
                # what it reads of itself is old
                same = {d.number for d in definitions if d.name == definition.name}
                flows[definition.number].reads.difference_update(same)
        start = min(p.end for p in self.passes)
        known: dict[int, Definition] = {}
        for definition in definitions:  # before a loss, zeros are one only if something is added
            flow = flows[definition.number]
            if definition.final().index > start or flow.touched or flow.reads & known.keys():
                known[definition.number] = definition
        kept = list(known.values())
        lost = discarded(kept, self.trace, flows)
        self.lost.update(d.number for loop in lost for d in loop)
        found = groups(without_blanks(kept, flows, self.trace), flows, lost)
        followed = with_wholes([self._follows(g, flows) for g in found], flows, self._hands)
        return [hand for group in followed for hand in group]

    def _follows(
        self, group: Sequence[Definition], flows: Mapping[int, Flow]
    ) -> list[HandGradient]:
        """Return a group of definitions that read each other, with the loss they follow from."""
        touched = {key for d in group for key in flows[d.number].touched}
        covered = {p: touched & (p.made | p.leaves) for p in self._before(group)}
        made = {p: touched & p.made for p in covered}
        best = max(covered, key=lambda p: (len(made[p]), len(covered[p]), p.end))
        equal = [p for p in covered if (made[p], covered[p]) == (made[best], covered[best])]
        if set().union(*made.values()) <= covered[best]:
            early = [d for d in group if self._is_earlier(d, best, flows)]
            late = [d for d in group if d not in early]
            before = self._follows(early, flows) if early else []
            order = _preferred(equal)
            if not touched:  # constants: no value shows which loss they follow from
                return [*before, *self._hands(late, order[0])]
            return [*before, *self._right(late, order)]
        several = covering(made)
        whole = merged(self.trace, several)
        if whole is not None:
            count, hands = self._judged(whole, self._hands(group, whole))
            if count.right == len(hands) or any(
                d.number in self.lost or accumulates(d, flows, several) for d in group
            ):
                return hands
        return self._apart(group, several, flows)

    def _is_earlier(
        self, definition: Definition, forward: ForwardPass, flows: Mapping[int, Flow]
    ) -> bool:
        """Tell whether it was written before the pass had its loss, and reads nothing of it."""
        last = definition.final().index
        had_loss = any(p.end < last for p in self.passes)
        return last < forward.end and had_loss and not flows[definition.number].touched

    def _apart(
        self,
        group: Sequence[Definition],
        passes: Sequence[ForwardPass],
        flows: Mapping[int, Flow],
    ) -> list[HandGradient]:
        """Return each definition with the last of the passes that it is computed from."""
        ends: dict[int, int] = {}
        hands = []
        for definition in group:
            flow, number = flows[definition.number], definition.number
            own = [i for i, p in enumerate(passes) if flow.touched & p.made]
            read = [ends[n] for n in flow.reads if n in ends]
            ends[number] = max([*own, *read], default=len(passes) - 1)
        for i, forward in enumerate(passes):
            hands += self._hands([d for d in group if ends[d.number] == i], forward)
        return hands

    def _before(self, group: Sequence[Definition]) -> Sequence[ForwardPass]:
        """Return the passes that ended before these gradients did, if any, or all passes."""
        last = max(b.index for d in group for b in d.binds)
        return [p for p in self.passes if p.end < last] or self.passes

    def _right(
        self, group: Sequence[Definition], passes: Sequence[ForwardPass]
    ) -> list[HandGradient]:
        """Return the hands for the pass that most of them are right for, the first if equal.

        Natural losses count where the file's own losses explain nothing.
        """
        natural = [p for p in reversed(self._before(group)) if is_natural(p)]
        own = [p for p in passes if p not in natural]
        if len(own) == 1 and not natural:
            return self._hands(group, own[0])
        best = self._best(group, own) if own else None
        if natural and (best is None or best[0].right == 0):
            other = self._best(group, natural)
            if not other[0].alike:
                other = max(self._by_lines(group, natural), key=lambda found: found[0])
            if best is None or other[0].alike:
                return other[1] if other[0].alike else []
        assert best is not None
        if best[0].right == 0:
            self._refuse_unclear(own)
        return best[1]

    def _best(
        self, group: Sequence[Definition], passes: Sequence[ForwardPass]
    ) -> tuple[_Count, list[HandGradient]]:
        """Return the hands for the best of the passes, and how many of them are right."""
        best: tuple[_Count, list[HandGradient]] | None = None
        for forward, hands in worth_trying([(p, self._hands(group, p)) for p in passes]):
            count, hands = self._judged(forward, hands)
            if best is None or count > best[0]:
                best = count, hands
            if count.right and count.right == len(hands):
                break
        assert best is not None
        return best

    def _judged(
        self, forward: ForwardPass, hands: Sequence[HandGradient]
    ) -> tuple[_Count, list[HandGradient]]:
        """Return how many are right for the pass, and the hands with the differentiated pass."""
        pairing, hands = self._paired(forward, hands)
        if pairing is None:
            return _Count(0, 0), hands
        values = pairing.natural.values
        right = sum(verdict_on(p.forward, p, p.node, values).right for p in pairing.pairs)
        return _Count(right, alike(pairing)), hands

    def _paired(
        self, forward: ForwardPass, hands: Sequence[HandGradient]
    ) -> tuple[Pairing | None, list[HandGradient]]:
        """Return the pairing, None if the pass does not run, and the hands with that pass."""
        try:
            truth = self._truth(forward)
        except RuntimeError:
            return None, list(hands)
        pairing = paired(*with_shares(truth, hands))
        return pairing, [replace(hand, forward=truth) for hand in hands]

    def _truth(self, forward: ForwardPass) -> Pass:
        """Return the pass differentiated. Raises RuntimeError where it cannot be."""
        if isinstance(forward, Pass):
            return forward
        if forward not in self.truths:
            truth = differentiated(forward)
            while self.truths and sum(p.size for p in (forward, *self.truths)) > MOST_KEPT:
                del self.truths[next(iter(self.truths))]
            self.truths[forward] = truth
        return self.truths[forward]

    def _by_lines(
        self, group: Sequence[Definition], passes: Sequence[ForwardPass]
    ) -> Iterator[tuple[_Count, list[HandGradient]]]:
        """Yield the hands for each pass with the number of lines that are right, if most are."""
        for forward in passes:
            pairing, hands = self._paired(forward, self._hands(group, forward))
            if pairing is not None:
                right = len(right_lines(pairing.forward, pairing.pairs))
                yield _Count(0, right if 2 * right > len(pairing.pairs) else 0), hands

    def _refuse_unclear(self, passes: Sequence[ForwardPass]) -> None:
        """Raise CheckError where no name says which number is the loss, and no value does."""
        binds = {id(b.value): b for b in self.trace.of(Bind) if b.kind != "param"}
        found = [binds.get(id(p.outputs[0])) for p in passes]
        named = sorted((b for b in found if b is not None), key=lambda b: b.index)
        if named and not any(LOSSES.search(b.name.lower()) for b in named):
            lines = ", ".join(f"{b.name} (line {b.statement.place.line})" for b in named)
            raise CheckError(
                f"several candidates for the loss: {lines}; call backward() on one of them, or "
                "name it loss"
            )

    def _hands(self, group: Sequence[Definition], forward: ForwardPass) -> list[HandGradient]:
        """Return the gradients as gradients of this pass, as far as its step can see them."""
        events, hands = forward.trace.events, []
        for definition in group:
            seen = [b for b in definition.binds if type(events[b.index]) is not Elsewhere]
            if not seen:
                continue
            hand = self.naming.hand(replace(definition, binds=seen), forward)
            state = decayed_state(self.trace, hand.binds[0])
            if state is None:
                hands.append(hand)
            elif not state.any():  # a velocity is the gradient, or a fraction, in the first step
                hands.append(replace(hand, claim="update" if hand.candidates else hand.claim))
        return hands


def _preferred(passes: Sequence[ForwardPass]) -> Sequence[ForwardPass]:
    """Return the passes to try in order: those that backward() ran on, if any, come alone."""
    called = [p for p in passes if p.backward is not None]
    if called:
        return [max(called, key=lambda p: p.end)]
    inner = {key for p in passes for q in passes if q is not p
             for key in q.made & {key_of(t) for t in p.outputs}}  # fmt: skip

    def order(forward: ForwardPass) -> tuple[bool, bool, int]:
        names = {b.name for b in forward.trace.of(Bind) if b.value is forward.outputs[0]}
        is_part = any(key_of(t) in inner for t in forward.outputs)
        return "loss" in names, not is_part, forward.end

    return sorted(passes, key=order, reverse=True)
