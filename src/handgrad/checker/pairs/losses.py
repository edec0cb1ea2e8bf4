"""Which loss each gradient by hand follows from.

A file may compute several: one for each step of a loop, a validation loss, one moved for finite
differences. Gradients that read each other follow from one loss, or from a sum: they read tensors
that only this loss was computed from. Where several losses were computed from the same tensors, it
is the one that backward() ran on or, without backward(), the one that the values are right for.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from handgrad.checker.pairs.hands import Definition, HandGradient, Naming
from handgrad.checker.pairs.pairing import paired
from handgrad.checker.pairs.verdict import verdict_on
from handgrad.checker.passes.forward import ForwardPass, merged
from handgrad.checker.passes.truth import Pass, differentiated
from handgrad.checker.record.trace import Bind, Elsewhere, Op, Trace, key_of

MOST_TRIED = 6
"""So many losses are tried by value at most: each costs a differentiation."""


def hands_by_loss(
    trace: Trace, passes: Sequence[ForwardPass], pairs: Mapping[str, str]
) -> list[HandGradient]:
    """Return what may be gradients by hand, each with the pass of its loss, in program order."""
    naming = Naming.of(trace, passes, pairs)
    definitions = naming.definitions()
    if not passes or not definitions:
        return []
    return sorted(_Losses(trace, passes, naming).of(definitions), key=lambda h: h.number)


@dataclass(frozen=True, eq=False)
class _Flow:
    """What one definition is computed from: memory of the forward passes, other definitions."""

    touched: set[int] = field(default_factory=set)
    reads: set[int] = field(default_factory=set)


@dataclass(frozen=True, eq=False)
class _Losses:
    trace: Trace
    passes: Sequence[ForwardPass]
    naming: Naming

    def of(self, definitions: Sequence[Definition]) -> list[HandGradient]:
        """Return each definition with its pass."""
        flows = self._flows(definitions)
        return [
            hand for group in _groups(definitions, flows) for hand in self._follows(group, flows)
        ]

    def _flows(self, definitions: Sequence[Definition]) -> dict[int, _Flow]:
        """Follow the data from the forward passes to the gradients by hand."""
        forward = {e.index for p in self.passes for e in p.events if type(e) is Op}
        memory = {key for p in self.passes for key in (*made_by(p), *p.leaves)}
        owner = {b.index: d.number for d in definitions for b in d.binds}
        flows = {d.number: _Flow() for d in definitions}
        sources: dict[int, set[int]] = {}
        finished: dict[int, set[int]] = {}
        for event in self.trace.events:
            if type(event) is Op and event.index not in forward:
                keys = {key_of(t) for t in event.inputs}
                read = {s for k in keys for s in sources.get(k, {k} & memory)}
                hands = {n for k in keys for n in finished.get(k, ())}
                for key in {key_of(t) for t in event.outputs} - memory:  # an updated parameter
                    sources[key] = sources.get(key, set()) | read
                    finished[key] = finished.get(key, set()) | hands
            elif type(event) is Bind and event.index in owner:
                number, key = owner[event.index], key_of(event.value)
                flows[number].touched.update(sources.get(key, ()))
                flows[number].reads.update(finished.get(key, set()) - {number})
                if self.naming.has_node(event.name):
                    sources[key], finished[key] = set(), {number}
        return flows

    def _follows(
        self, group: Sequence[Definition], flows: Mapping[int, _Flow]
    ) -> list[HandGradient]:
        """Return a group of definitions that read each other, with the loss they follow from."""
        touched = set().union(*(flows[d.number].touched for d in group))
        covered = {p: touched & (made_by(p) | p.leaves) for p in self._before(group)}
        most = max(map(len, covered.values()), default=0)
        best = [p for p, keys in covered.items() if len(keys) == most]
        made = {p: len(touched & made_by(p)) for p in best}
        best = [p for p in best if made[p] == max(made.values())]
        lacking = set().union(*covered.values()) - set().union(*(covered[p] for p in best))
        if (lacking and len(group) > 1) or (lacking and len(group[0].binds) > 1):
            several = _covering(covered, touched)
            whole = merged(self.trace, several)
            if whole is not None:
                return self._hands(group, whole)
            parts = [[d] for d in group] if len(group) > 1 else []
            return [hand for part in parts for hand in self._follows(part, flows)] or self._hands(
                group, max(several, key=lambda p: p.end)
            )
        return self._right(group, _preferred(best))

    def _before(self, group: Sequence[Definition]) -> Sequence[ForwardPass]:
        """Return the passes that ended before these gradients did, if any, or all passes."""
        last = max(b.index for d in group for b in d.binds)
        return [p for p in self.passes if p.end < last] or self.passes

    def _right(
        self, group: Sequence[Definition], passes: Sequence[ForwardPass]
    ) -> list[HandGradient]:
        """Return the hands for the pass that most of them are right for, the first if equal."""
        if len(passes) == 1:
            return self._hands(group, passes[0])
        best: tuple[int, list[HandGradient]] | None = None
        for forward in passes[:MOST_TRIED]:
            hands = self._hands(group, forward)
            count, hands = _judged(forward, hands)
            if best is None or count > best[0]:
                best = count, hands
            if count and count == len(hands):
                break
        return best[1] if best is not None else []

    def _hands(self, group: Sequence[Definition], forward: ForwardPass) -> list[HandGradient]:
        """Return the gradients as gradients of this pass, as far as its step can see them."""
        events, hands = forward.trace.events, []
        for definition in group:
            seen = [b for b in definition.binds if type(events[b.index]) is not Elsewhere]
            if seen:
                hands.append(self.naming.hand(replace(definition, binds=seen), forward))
        return hands


def made_by(forward: ForwardPass) -> Set[int]:
    """Return the memory that the pass computed."""
    made = {key_of(t) for e in forward.events if type(e) is Op for t in e.outputs}
    return made - forward.leaves


def _groups(
    definitions: Sequence[Definition], flows: Mapping[int, _Flow]
) -> list[list[Definition]]:
    """Return the definitions in groups that read each other."""
    group = {d.number: [d] for d in definitions}
    for definition in definitions:
        for number in flows[definition.number].reads:
            mine, other = group[definition.number], group[number]
            if mine is not other:
                mine += other
                group |= {d.number: mine for d in other}
    return list({id(g): sorted(g, key=lambda d: d.number) for g in group.values()}.values())


def _covering(covered: Mapping[ForwardPass, set[int]], touched: set[int]) -> list[ForwardPass]:
    """Return few passes, which together computed what any of them did of `touched`."""
    left = set().union(*covered.values())
    chosen: list[ForwardPass] = []
    while left:
        best = max(covered, key=lambda p: (len(covered[p] & left), p.end))
        chosen.append(best)
        left -= covered[best]
    return sorted(chosen, key=lambda p: p.end)


def _preferred(passes: Sequence[ForwardPass]) -> Sequence[ForwardPass]:
    """Return the passes to try in order: those that backward() ran on, if any, come alone."""
    called = [p for p in passes if p.backward is not None]
    if called:
        return [max(called, key=lambda p: p.end)]
    inner = {key for p in passes for q in passes if q is not p
             for key in made_by(q) & {key_of(t) for t in p.outputs}}  # fmt: skip

    def order(forward: ForwardPass) -> tuple[bool, bool, int]:
        names = {b.name for b in forward.trace.of(Bind) if b.value is forward.outputs[0]}
        is_part = any(key_of(t) in inner for t in forward.outputs)
        return "loss" in names, not is_part, forward.end

    return sorted(passes, key=order, reverse=True)


def _judged(forward: ForwardPass, hands: Sequence[HandGradient]) -> tuple[int, list[HandGradient]]:
    """Return how many are right for the pass, and the hands with the differentiated pass."""
    try:
        truth = forward if isinstance(forward, Pass) else differentiated(forward)
    except RuntimeError:
        return 0, list(hands)
    pairing = paired(truth, hands)
    values = pairing.natural.values
    count = sum(verdict_on(truth, p, p.node, values).right for p in pairing.pairs)
    return count, [replace(hand, forward=truth) for hand in hands]
