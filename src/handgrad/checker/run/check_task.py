"""The task of `handgrad check`: grade the gradients that a file computes by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from handgrad.checker.records import CellError, Note
from handgrad.checker.run.cells import Cell
from handgrad.checker.run.task import Task
from handgrad.checker.session import has_hand_gradients
from handgrad.errors import CheckError


class CheckTask(Task):
    """Grade every gradient by hand.

    The file is left once its gradients by hand are recorded, unless the request's `whole` is set.
    """

    def __init__(self, request: Mapping[str, Any]) -> None:
        super().__init__(request)
        if not request.get("whole"):
            cells = [(cell[0], cell[1]) for cell in request["cells"]]
            self.session.leave_when_done(cells)

    def has_enough(self) -> bool:
        """Return whether the file was left."""
        return self.session.left

    def ended_cell(self) -> bool:
        """Return the same: the recorder leaves with an exception."""
        return self.session.left

    def require(self, cells: Sequence[Cell]) -> None:
        """Raise CheckError if the file contains no gradient by hand.

        A file that trains with autograd alone may run for hours before this would come out.
        """
        if self.request["pairs"] or has_hand_gradients("\n".join(cell.source for cell in cells)):
            return
        raise CheckError(
            f"{self.file}: nothing to check: found no gradient by hand, such as dh for a tensor h."
            " If yours has another name, use --pair NAME=TENSOR"
        )

    def answer(self, errors: Sequence[CellError], notes: Sequence[Note]) -> dict[str, Any]:
        """Return the report."""
        report = self.session.finish(self.file, errors)
        return {"report": asdict(replace(report, notes=(*report.notes, *notes)))}
