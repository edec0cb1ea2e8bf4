"""The task of `handgrad exercise`: run the forward pass and describe it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from handgrad.checker.exercise.forward import described
from handgrad.checker.record.trace import Backward
from handgrad.checker.records import CellError, Note
from handgrad.checker.run.task import Task


class ExerciseTask(Task):
    """Describe the forward pass of a file; with `solved`, derive its backward pass, too."""

    def has_enough(self) -> bool:
        """Return whether backward() has been called: an exercise ends with the loss."""
        return bool(self.session.recorder.trace.of(Backward))

    def answer(self, errors: Sequence[CellError], notes: Sequence[Note]) -> dict[str, Any]:
        """Return the forward pass."""
        trace = self.session.recorder.trace
        forward = described(trace, self.file, errors, self.request["solved"])
        return {"forward": asdict(forward)}
