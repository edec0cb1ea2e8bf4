"""When a loop has been recorded for long enough."""

import re
from typing import Any

from handgrad.checker.record.scope import Scope
from handgrad.checker.record.trace import Backward, Bind, Trace

_HAND = re.compile(r"d_?\w+|grad_\w+|\w+_grad")
_IDLE_EVENTS = 20_000
"""A loop that has recorded this much and named no gradient is sampling or evaluating: cut it."""


class LoopWatch:
    """Counts the iterations of one loop in which a whole step happened.

    `line` is where it stands, `scope` what names stood for in `frame` (its id) when it began.
    """

    def __init__(self, start: int, line: int, frame: int, scope: Scope) -> None:
        self.steps = 0
        self.line, self.frame, self.scope = line, frame, scope
        self._start = self._first = start
        self._hand = False

    def tick(self, trace: Trace, limit: int) -> bool:
        """At the beginning of an iteration: tell whether enough of the loop has been seen.

        A step is a backward(), or a loss with gradients named after it. A forward pass unrolled
        over time, or a backward pass over elements, has one of the two at most: never cut.
        """
        if self._start == len(trace):
            return False
        events = trace.events[self._start :]
        self._start = len(trace)
        loss = next((i for i, e in enumerate(events) if _is_loss(e)), len(events))
        self._hand = self._hand or any(_is_hand(e) for e in events)
        stepped = any(type(e) is Backward for e in events)
        self.steps += stepped or any(_is_hand(e) for e in events[loss:])
        idle = not self._hand and self._start - self._first > _IDLE_EVENTS
        return idle or self.steps >= limit


def _is_loss(event: Any) -> bool:
    return type(event) is Bind and event.value.dim() == 0 and event.value.is_floating_point()


def _is_hand(event: Any) -> bool:
    return type(event) is Bind and _HAND.fullmatch(event.name) is not None
