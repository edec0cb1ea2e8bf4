"""Gradients that are right, line by line, for results without a name, if what they read is right.

`do = dh * tanh(c) * o * (1 - o)` is the gradient of o's argument. Its value shows that only where
dh is right. So each line is run with the true gradients of what it reads, and the gradients whose
lines are then right for an unnamed result move there, all at once: `da = hstack([di, df, do])` is
right only if all of them do.
"""

from collections.abc import Callable, Mapping, Sequence

from handgrad.checker.pairs.backward import BackwardReplay
from handgrad.checker.pairs.hands import Definition, Pair
from handgrad.checker.pairs.verdict import is_right, is_significant, right_lines
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import Bind


def moved_together(
    whole: Pass,
    pairs: Mapping[int, Pair],
    asked: Sequence[Definition],
    results: Callable[[Definition], Sequence[Bind]],
    readers: Callable[[Definition], Sequence[Pair]],
) -> dict[int, Bind]:
    """Return the nodes of the gradients that move, by number: more lines are right with them.

    No line that reads one of them and is right may become wrong.
    """
    run = BackwardReplay(whole, _in_order([*pairs.values()]), substitute=True).run()
    right = {n for n, pair in pairs.items() if is_right(whole, run.outcomes, pair)}
    found: dict[int, Pair] = {}
    for hand in asked:
        if hand.number in pairs and hand.number not in right and readers(hand):
            for node in results(hand):
                pair = Pair(hand.number, hand.name, hand.binds, whole, node, "value")
                if is_significant(whole, node) and is_right(whole, run.outcomes, pair):
                    found[hand.number] = pair
                    break
    while found:
        after = right_lines(whole, {**pairs, **found}.values())
        kept = {
            n: pair
            for n, pair in found.items()
            if n in after and not any(p.number in right - after for p in readers(pair))
        }
        if len(kept) == len(found):
            return {n: p.node for n, p in found.items()} if len(after) > len(right) else {}
        found = kept
    return {}


def _in_order(pairs: list[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda pair: pair.binds[0].index)
