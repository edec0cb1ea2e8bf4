"""A line to be added: run below the backward pass before it is offered."""

from collections.abc import Iterable

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.pairs.hands import Pair
from handgrad.checker.record.trace import Bind
from handgrad.checker.records import Place


def addition(suspect: Suspect, message: str, lines: Iterable[str], reads: str | None) -> Finding:
    """Return the first of the lines that, added, makes the gradient right; without, no line.

    `reads` is the gradient that the line cannot stand above.
    """
    fix = next((line for line in lines if suspect.completes(line)), None)
    return Finding(message, fix, below(suspect, reads), adds=True)


def below(suspect: Suspect, reads: str | None) -> Place:
    """Return below which line something can be added that reads the gradient `reads`."""
    own = suspect.hand.own_final()
    hand = hand_of(suspect, reads)
    other = own if hand is None else hand.own_final()
    return max((own, other), key=_index).statement.place


def hand_of(suspect: Suspect, name: str | None) -> Pair | None:
    """Return the gradient of that name."""
    return next((h for h in suspect.backward.hands.values() if h.name == name), None)


def _index(bind: Bind) -> int:
    return bind.index
