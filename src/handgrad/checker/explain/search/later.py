"""The gradient's later statements, each with a part of it changed."""

import ast
from collections.abc import Callable, Iterable, Iterator

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.judge.statements import grouped

Edits = Callable[[Text], Iterable[tuple[str, str]]]
"""Yields a statement's text, changed, and what to say if that mends it."""


def mended_later(suspect: Suspect, edits: Edits) -> Finding | None:
    """Return the first change of a later statement that makes the gradient right.

    Where each statement sets or scales a part, the one that touched the wrong elements need not be
    the one that is wrong: `dlogits[range(n), Yb - 1] -= 1` leaves others as they should not be.
    """
    groups = [statement for statement, _ in grouped(suspect.hand)]
    at = next((i for i, s in enumerate(groups) if s is suspect.statement), len(groups))
    later = groups[at + 1 :]
    for i, statement in enumerate(later if suspect.text is not None else ()):
        for fix, message in _of(statement.text, edits):
            rows = [s.text for s in later]
            rows[i] = fix
            if suspect.mends_later("\n".join(rows)):
                return Finding(message, fix, statement.place)
    return None


def _of(source: str, edits: Edits) -> Iterator[tuple[str, str]]:
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return
    if len(body) == 1:
        yield from edits(Text(source, body[0]))
