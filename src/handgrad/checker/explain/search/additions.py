"""A line to add below the backward pass, run there before it is offered."""

from collections.abc import Iterable

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.pairs.hands import Pair
from handgrad.checker.record.trace import Bind
from handgrad.checker.records import Place


def addition(suspect: Suspect, message: str, lines: Iterable[str], reads: str | None) -> Finding:
    """Return a finding with the first line that completes the gradient, or without a line.

    `reads` is the gradient that the line reads, so it must be placed below that one.
    """
    fix = next((line for line in lines if suspect.completes(line)), None)
    return Finding(message, fix, below(suspect, reads), adds=True)


def below(suspect: Suspect, reads: str | None) -> Place:
    """Return the place below which a line that reads the gradient `reads` can be added."""
    final = suspect.hand.own_final()
    hand = hand_of(suspect, reads)
    other = final if hand is None else hand.own_final()
    return max((final, other), key=_index).statement.place


def hand_of(suspect: Suspect, name: str | None) -> Pair | None:
    """Return the gradient of that name."""
    return next((h for h in suspect.backward.hands.values() if h.name == name), None)


def _index(bind: Bind) -> int:
    return bind.index
