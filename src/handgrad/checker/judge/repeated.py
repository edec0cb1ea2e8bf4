"""Lines that read what a line to blame computed in another iteration of a loop.

Of the gradients that a loop computes, some belong to no node and are not judged. What reads one of
them may be wrong only because the line that computes it is.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from handgrad.checker.judge.grade import Grade
from handgrad.checker.pairs.backward import BackwardReplay
from handgrad.checker.pairs.hands import Pair
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, Op, key_of


def with_repeated(
    forward: Pass, pairs: Sequence[Pair], grades: Sequence[Grade], explained: Set[int]
) -> list[Grade]:
    """Return the grades; one without a cause inherits from the line that it reads so.

    `explained` are the numbers of the pairs whose line has a cause.
    """
    roots = {g.hand.number: g for g in grades if g.root and g.alias is None}
    if len(roots) < 2:
        return list(grades)
    used = _used(forward, pairs)
    changed = []
    for grade in grades:
        number = grade.hand.number
        if number in roots and number not in explained:
            mine = {b.statement for b in grade.hand.binds}
            for other in roots.values():
                line = other.blamed.statements[0]
                if other is grade or line in mine or line not in used.get(number, ()):
                    continue
                # where both read each other's, a cause tells which is at fault
                mutual = grade.blamed.statements[0] in used.get(other.hand.number, ())
                if other.hand.number in explained or not mutual:
                    grade = replace(grade, root=False, blamed_on=(other.hand,))
                    break
        changed.append(grade)
    return changed


def _used(forward: Pass, pairs: Sequence[Pair]) -> Mapping[int, set[Statement]]:
    """Return the statements that computed each gradient from those that were judged.

    By the number of the pair. What a judged gradient is computed from does not count for what reads
    it: there, it is taken to be correct.
    """
    replay = BackwardReplay(forward, pairs, substitute=True)
    sources: dict[int, set[Statement]] = {}
    used: dict[int, set[Statement]] = {}
    for event in replay.events():
        if type(event) is Op:
            found = {s for t in event.inputs for s in sources.get(key_of(t), ())}
            found |= set() if event.ran_in is None else {event.ran_in[0]}
            written = {key_of(t) for t in event.writes}
            views = {key_of(t) for t in event.inputs} - written  # a view computes nothing
            for key in {key_of(t) for t in event.outputs} - views:
                sources.setdefault(key, set()).update(found)
        elif type(event) is Bind:
            hand, key = replay.owner[event.index], key_of(event.value)
            used.setdefault(hand.number, set()).update(sources.get(key, ()))
            if event is hand.own_final() and not hand.borrowed:
                sources[key] = set()
    return used
