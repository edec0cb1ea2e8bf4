"""A line to add below the backward pass, run there before it is offered."""

from collections.abc import Iterable

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.pairs.hands import Pair
from handgrad.checker.records import Place


def addition(suspect: Suspect, message: str, lines: Iterable[str], reads: str | None) -> Finding:
    """Return a finding with the first line that completes the gradient, or without a line.

    `reads` is the gradient that the line reads, so it must be placed below that one.
    """
    fix = next((line for line in lines if suspect.completes(line)), None)
    hand = next((h for h in suspect.backward.hands.values() if h.name == reads), None)
    return Finding(message, fix, below(suspect, hand), adds=True)


def below(suspect: Suspect, hand: Pair | None) -> Place:
    """Return the place below which a line that reads the gradient `hand` can be added."""
    final = suspect.hand.own_final()
    last = final if hand is None else max(final, hand.own_final(), key=lambda bind: bind.index)
    return last.statement.place
