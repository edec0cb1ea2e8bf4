"""What a note is drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass

from handgrad.checker.judge.grade import Grade
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import Event, Trace
from handgrad.checker.records import Place


@dataclass(frozen=True)
class NoteEvidence:
    """What a note is drawn from: one pass, its grades, and the trace of the file."""

    trace: Trace
    forward: Pass
    grades: Sequence[Grade]
    again: Sequence[Grade]
    """Later definitions of gradients that are judged already."""
    backward: Sequence[Event]
    """The operations and names that compute the gradients."""

    @property
    def later(self) -> Sequence[Event]:
        """The events after the loss."""
        return self.trace.events[self.forward.end + 1 :]


Remark = tuple[str, str | None, Place]
"""A note without its code: the message, the tensor that it is about, and the place."""
