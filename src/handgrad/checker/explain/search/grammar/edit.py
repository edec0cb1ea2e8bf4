"""One change of a statement, and the search for the first that makes the gradient correct."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.judge.statements import grouped


@dataclass(frozen=True)
class Edit:
    """The statement after the change; what was changed, and what it became, for the message."""

    text: str
    was: str = ""
    now: str = ""


Rule = Callable[[Suspect, Text], Iterable[Edit]]
Rules = tuple[tuple[Rule, str], ...]
"""Rules, the cheapest first, with their messages. {was} and {now} are the edit's, {node} and {hand}
the names of the tensor and of its gradient, {consumers} what the tensor goes into."""


def edits(suspect: Suspect, text: Text | None, rules: Rules) -> Iterator[tuple[str, str]]:
    """Yield a text with each of the changes, and the message if that one is correct."""
    consumers = " and ".join(part.consumer for part in suspect.parts) or "the loss"
    names = {"node": suspect.node.name, "hand": suspect.hand.name, "consumers": consumers}
    for rule, message in rules if text is not None else ():
        assert text is not None
        for edit in rule(suspect, text):
            yield edit.text, message.format(was=edit.was, now=edit.now, **names)


def edited(suspect: Suspect, rules: Rules) -> Finding | None:
    """Return the first edit that is correct. Each line is run once, whoever asks for it."""
    for fix, message in edits(suspect, suspect.text, rules):
        if suspect.corrects(fix):
            return Finding(message, fix)
    return None


def corrected(suspect: Suspect, *rules: Rule) -> str | None:
    """Return the first line that is correct, where the message does not depend on it."""
    found = edited(suspect, tuple((rule, "") for rule in rules))
    return None if found is None else found.fix


def edited_later(suspect: Suspect, rules: Rules) -> Finding | None:
    """Return the first edit of a later statement that makes the gradient correct.

    Where each statement sets or scales a part, the statement that wrote the wrong elements may not
    be the wrong one: `dlogits[range(n), Yb - 1] -= 1` leaves incorrect elements elsewhere.
    """
    groups = [statement for statement, _ in grouped(suspect.hand)]
    at = next((i for i, s in enumerate(groups) if s is suspect.statement), len(groups))
    later = groups[at + 1 :]
    for i, statement in enumerate(later if suspect.text is not None else ()):
        for fix, message in edits(suspect, Text.parsed(statement.text), rules):
            rows = [s.text for s in later]
            rows[i] = fix
            if suspect.corrects_later("\n".join(rows)):
                return Finding(message, fix, statement.place)
    return None
