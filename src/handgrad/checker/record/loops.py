"""When a loop has been recorded for long enough."""

from handgrad.checker.record.gradient_names import reads_as_gradient
from handgrad.checker.record.scope import Scope
from handgrad.checker.record.trace import Backward, Bind, Event, Trace

_IDLE_EVENTS = 20_000
"""A loop that has recorded this many events and named no gradient samples or evaluates: cut it."""


class LoopWatch:
    """Counts the iterations of one loop that contain a whole training step.

    `line` is the loop's line; `scope` holds the names in `frame` (its id) when the loop began.
    """

    def __init__(self, start: int, line: int, frame: int, scope: Scope) -> None:
        self.steps = 0
        self.line, self.frame, self.scope = line, frame, scope
        self._start = self._first = start
        self._has_gradient = False

    def tick(self, trace: Trace, limit: int) -> bool:
        """Note that an iteration begins, and tell whether enough of the loop is recorded.

        A step is a call of backward(), or a loss with gradients named after it. A forward pass
        unrolled over time, or a backward pass over elements, has one of the two at most and is
        never cut.
        """
        if self._start == len(trace):
            return False
        events = trace.events[self._start :]
        self._start = len(trace)
        loss = next((i for i, e in enumerate(events) if _is_loss(e)), len(events))
        gradients = [i for i, e in enumerate(events) if _is_gradient(e, trace)]
        self._has_gradient = self._has_gradient or bool(gradients)
        calls_backward = any(type(e) is Backward for e in events)
        self.steps += calls_backward or any(i >= loss for i in gradients)
        idle = not self._has_gradient and self._start - self._first > _IDLE_EVENTS
        return idle or self.steps >= limit


def _is_loss(event: Event) -> bool:
    return type(event) is Bind and event.value.dim() == 0 and event.value.is_floating_point()


def _is_gradient(event: Event, trace: Trace) -> bool:
    if type(event) is not Bind:
        return False
    # under "param" a tensor is only another name for one that is known: cache["x"] = x
    shapes = trace.shapes if event.kind != "param" else {}
    return reads_as_gradient(event.name, event.value.shape, shapes)
