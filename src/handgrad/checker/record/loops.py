"""When a loop has been recorded for long enough."""

import re
from collections.abc import Sequence

from torch import Size

from handgrad.checker.record.call import Update
from handgrad.checker.record.gradient_names import OF_ALL, reads_as_gradient
from handgrad.checker.record.scope import Scope
from handgrad.checker.record.trace import Backward, Bind, Event, Op, Step, Trace, key_of
from handgrad.checker.record.updates import multiplies

_IDLE_EVENTS = 20_000
"""A loop that has recorded this many events and named no gradient samples or evaluates: cut it."""
_UNSURE_EVENTS = 4_000
"""A loop that computes losses and gradients and updates nothing may be one over time, whose losses
are added up: it is recorded up to this many events."""


class LoopWatch:
    """Counts the iterations of one loop that contain a whole training step.

    `line` is the loop's line; `scope` holds the names in `frame` (its id) when the loop began.
    """

    def __init__(self, start: int, line: int, frame: int, scope: Scope) -> None:
        self.steps = 0
        self.began = start
        """The first event of the iteration that runs."""
        self.line, self.frame, self.scope = line, frame, scope
        self.first = start
        self._has_gradient = self._trains = False

    def tick(self, trace: Trace) -> Step | None:
        """Note that an iteration is over; return it if it held a whole training step.

        A step is a call of backward(), or a loss with gradients named after it, or an update with
        a gradient. A forward pass unrolled over time, or a backward pass over elements, has a loss
        or gradients at most.
        """
        if self.began == len(trace):
            return None
        begin, events = self.began, trace.events[self.began :]
        self.began = len(trace)
        losses = [i for i, e in enumerate(events) if _is_number(e)]
        gradients = [i for i, e in enumerate(events) if _is_gradient(e, trace)]
        self._has_gradient = self._has_gradient or bool(gradients)
        calls_backward = any(type(e) is Backward for e in events)
        follows = bool(gradients) and any(i < gradients[-1] for i in losses)
        updates = bool(gradients) and _update(events, gradients[0], trace)
        if not (calls_backward or follows or updates):
            return None
        self._trains = self._trains or calls_backward or updates
        self.steps += 1
        return Step(len(trace), begin)

    def has_enough(self, trace: Trace, limit: int) -> bool:
        """Tell whether enough of the loop is recorded: `limit` steps, if it trains."""
        recorded = len(trace) - self.first
        if self.steps >= limit and (self._trains or recorded > _UNSURE_EVENTS):
            return True
        return not self._has_gradient and recorded > _IDLE_EVENTS


def _is_number(event: Event) -> bool:
    return type(event) is Bind and event.value.dim() == 0 and event.value.is_floating_point()


def _computes_number(events: Sequence[Event]) -> bool:
    """Tell whether a number such as a loss is computed: not in a loop over parameters or layers."""
    return any(
        type(e) is Op and any(t.dim() == 0 and t.is_floating_point() for t in e.outputs)
        for e in events
    )


def _is_gradient(event: Event, trace: Trace) -> bool:
    if type(event) is Update:
        return True
    if type(event) is not Bind:
        return False
    # under "param" a tensor is only another name for one that is known: cache["x"] = x
    shapes = trace.shapes if event.kind != "param" else {}
    name = event.name.split("[")[0]  # grads[0]
    if OF_ALL.fullmatch(event.name):
        return True
    return reads_as_gradient(name, event.value.shape, shapes)


def _reads(events: Sequence[Event], update: Update) -> bool:
    """Tell whether the step is computed from a product with the parameter: a model without a loss.

    A layer's own update is computed from what it got, though it passes a product on.
    """
    key, wanted = key_of(update.parameter), {key_of(update.levels[0])}
    for event in reversed([e for e in events if type(e) is Op and e.index < update.index]):
        if wanted.isdisjoint(map(key_of, event.outputs)):
            continue
        read = set(map(key_of, event.inputs))
        if key in read and multiplies(event):
            return True
        wanted |= read
    return False


def _update(events: Sequence[Event], first: int, trace: Trace) -> bool:
    """Tell whether a parameter is changed by its gradient: `w = w - lr * dw`, `w -= lr * dw`.

    `first` is the position of the first gradient.
    """
    shapes: dict[str, Size] = {}
    for event in events[first:]:
        if type(event) is Update and (_computes_number(events) or _reads(events, event)):
            return True
        if type(event) is not Bind:
            continue
        if _is_gradient(event, trace):
            shapes[event.name] = event.value.shape
        elif event.kind == "update":
            read = re.findall(r"\w+", event.statement.text)
            computes = _computes_number(events) or any(
                type(e) is Op and multiplies(e) for e in events
            )
            if computes and any(shapes.get(name) == event.value.shape for name in read):
                return True  # a loop over parameters takes gradients that are known before it
    return False
