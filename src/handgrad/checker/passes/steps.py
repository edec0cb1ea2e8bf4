"""The steps of a training loop, and what one of them sees of the trace.

Each step has a forward and a backward pass of its own. Parameters that an earlier step has updated
are sources for the next one, and its tensors are constants.
"""

from collections.abc import Collection, Sequence

from torch import Tensor

from handgrad.checker.record.trace import Elsewhere, Event, Op, Step, Trace, key_of

_JOINS = ("stack", "cat", "hstack", "concat", "concatenate")


def view_of(trace: Trace, events: Collection[int]) -> Trace:
    """Return the trace without the steps that hold none of the events with these indices.

    A loop that computes no number, as one that updates each parameter, has no losses of its own.
    """
    numbers = [e.index for e in trace.of(Op) if any(t.numel() == 1 for t in e.outputs)]
    hidden: list[range] = []
    for loop in _loops([range(e.begin, e.index + 1) for e in trace.of(Step)]):
        if any(i in span for span in loop for i in numbers):
            hidden += [span for span in loop if not any(i in span for i in events)]
    return trace.without(hidden)


def _loops(spans: Sequence[range]) -> list[list[range]]:
    """Return the steps of each loop: they follow each other."""
    loops: list[list[range]] = []
    for span in spans:
        loop = next((loop for loop in loops if loop[-1].stop == span.start), None)
        if loop is None:
            loops.append([span])
        else:
            loop.append(span)
    return loops


def changed_elsewhere(trace: Trace, view: Trace, end: int) -> dict[int, int]:
    """Return the memory that steps outside the view wrote to before event `end`, and when last."""
    return {
        key_of(t): seen.index
        for whole, seen in zip(trace.events[:end], view.events, strict=False)
        if type(seen) is Elsewhere and type(whole) is Op
        for t in whole.writes
    }


def parts_of(events: list[Event], output: Tensor, end: int) -> set[int]:
    """Return the operations that computed the numbers which a loss adds up: its own, if one.

    `loss = loss + step_loss` and `torch.stack(losses).mean()` have several.
    """
    wanted, parts = {key_of(output)}, set[int]()
    for event in reversed(events[: end + 1]):
        if type(event) is not Op or not any(key_of(t) in wanted for t in event.outputs):
            continue
        joins = getattr(event.func, "__name__", "") in _JOINS
        numbers = [t for t in event.inputs if t.dim() == 0]
        if numbers and (len(numbers) == len(event.inputs) or joins):
            wanted.update(key_of(t) for t in numbers)
        elif event.inputs and all(_is_joined(events, t) for t in event.inputs):
            wanted.update(key_of(t) for t in event.inputs)
        else:
            parts.add(event.index)
    return parts or {end}


def _is_joined(events: list[Event], value: Tensor) -> bool:
    """Tell whether a vector was joined from numbers."""
    if value.dim() != 1:
        return False
    for event in reversed(events):
        if type(event) is Op and any(t is value for t in event.outputs):
            name = getattr(event.func, "__name__", "")
            return name in _JOINS and all(t.dim() == 0 for t in event.inputs)
    return False
