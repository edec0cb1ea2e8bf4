"""The task of `handgrad check`: grade the gradients that a file computes by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from handgrad.checker.records import CellError, Note
from handgrad.checker.run.cells import Cell
from handgrad.checker.run.task import Task
from handgrad.checker.session import has_hand_gradients, may_have_gradients
from handgrad.errors import CheckError


class CheckTask(Task):
    """Grade every gradient by hand. The request's `whole` runs training loops to their end."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        super().__init__(request)
        self._later: list[Cell] = []
        self._cell: Cell | None = None
        if not request.get("whole"):
            self.session.leave_loops(lambda: "\n".join(cell.source for cell in self._later))

    def require(self, cells: Sequence[Cell]) -> None:
        """Raise CheckError if the file contains no gradient by hand.

        A file that trains with autograd alone may run for hours before this would come out.
        """
        self._later = list(cells)
        if self.request["pairs"] or may_have_gradients("\n".join(cell.source for cell in cells)):
            return
        raise CheckError(
            f"{self.file}: nothing to check: found no gradient by hand, such as dh for a tensor h."
            " If yours has another name, use --pair NAME=TENSOR"
        )

    def begins(self, cell: Cell) -> None:
        """Note that a cell is about to run."""
        self._cell, self._later = cell, self._later[1:]

    def ended_cell(self) -> bool:
        """Return whether an error may come from a loop that was left: it did not fill its list."""
        left = {loop.place.cell for loop in self.session.recorder.left}
        if not left or self._cell is None:
            return False
        return self._cell.number in left or not has_hand_gradients(self._cell.source)

    def answer(self, errors: Sequence[CellError], notes: Sequence[Note]) -> dict[str, Any]:
        """Return the report."""
        report = self.session.finish(self.file, errors)
        return {"report": asdict(replace(report, notes=(*report.notes, *notes)))}
