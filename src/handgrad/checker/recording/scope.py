"""What names stood for while the user's code ran, so that a line can be run again, or another."""

from types import FrameType
from typing import Any

FIRST = 2
"""So many executions of a statement keep their scope, and the latest one: a loop runs it often."""


class Scope:
    """The names of one frame at one moment: locals over globals, by reference."""

    __slots__ = ("names",)

    def __init__(self, frame: FrameType) -> None:
        own, outer = frame.f_locals, frame.f_globals
        self.names: dict[str, Any] = dict(own) if own is outer else {**outer, **own}

    def forget(self) -> None:
        """Let go of everything."""
        self.names = {}


class Scopes:
    """The scopes that are kept of each statement, by its number."""

    def __init__(self) -> None:
        self._kept: dict[int, list[Scope]] = {}

    def of(self, frame: FrameType, number: int) -> Scope:
        """Return the scope of `frame` now, statement `number` having just run in it."""
        kept = self._kept.setdefault(number, [])
        if len(kept) > FIRST:
            kept.pop().forget()
        kept.append(Scope(frame))
        return kept[-1]
