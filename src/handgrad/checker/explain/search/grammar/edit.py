"""One change of the user's line, and the search for the first that mends it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect


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


def edited(suspect: Suspect, rules: Rules) -> Finding | None:
    """Return the first edit that mends the line. Each line is run once, whoever asks for it."""
    for rule, message in rules if suspect.text is not None else ():
        assert suspect.text is not None
        for edit in rule(suspect, suspect.text):
            if suspect.mends(edit.text):
                consumers = " and ".join(part.consumer for part in suspect.parts) or "the loss"
                names = {"node": suspect.node.name, "hand": suspect.hand.name}
                sentence = message.format(was=edit.was, now=edit.now, consumers=consumers, **names)
                return Finding(sentence, edit.text)
    return None
