"""The task of `handgrad check`: grade the gradients that a file computes by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from handgrad.checker.judge.evidence import evidence_of
from handgrad.checker.records import CellError, Note
from handgrad.checker.report.report import Report
from handgrad.checker.run.cells import Cell
from handgrad.checker.run.imports import own_modules
from handgrad.checker.run.task import Task
from handgrad.checker.scalars.check import Engines, check_engines
from handgrad.checker.session import has_hand_gradients, may_have_gradients
from handgrad.errors import CheckError


class CheckTask(Task):
    """Grade every gradient by hand, and the rules of every scalar engine.

    The file is left once its gradients by hand are recorded, unless the request's `whole` is set.
    """

    def __init__(self, request: Mapping[str, Any]) -> None:
        super().__init__(request)
        self._engines = Engines()
        self._alone = False
        """Whether the file has engines and no other gradient by hand."""
        if not request.get("whole"):
            cells = [(cell[0], cell[1]) for cell in request["cells"]]
            self.session.leave_when_done(cells)

    def require(self, cells: Sequence[Cell]) -> None:
        """Raise CheckError if the file contains no gradient by hand.

        A file that trains with autograd alone may run for hours before this would come out.
        """
        source = "\n".join(cell.source for cell in cells)
        self._engines = check_engines([(cell.number, cell.source) for cell in cells])
        if self.request["pairs"] or has_hand_gradients(source):
            return
        self._alone = bool(self._engines.rows)
        if not self._alone and not may_have_gradients(source) and not self._imported(source):
            raise CheckError(
                f"{self.file}: nothing to check: found no gradient by hand, such as dh for a"
                " tensor h. If yours has another name, use --pair NAME=TENSOR"
            )

    def _imported(self, source: str) -> bool:
        """Tell whether a module of the user's own, which the file imports, may have gradients."""
        modules = own_modules(source, Path(self.request["folder"]))
        return modules is None or any(map(may_have_gradients, modules))

    def has_enough(self) -> bool:
        """Return whether the file was left, or has engines alone: these are judged unrun."""
        return self.session.left or self._alone

    def ended_cell(self) -> bool:
        """Return whether the file was left: the recorder leaves with an exception."""
        return self.session.left

    def answer(self, errors: Sequence[CellError], notes: Sequence[Note]) -> dict[str, Any]:
        """Return the report."""
        report = self._engines.report(self.file, errors) if self._alone else self._graded(errors)
        answer = {"report": asdict(replace(report, notes=(*report.notes, *notes)))}
        if not self.request.get("evidence"):
            return answer
        packed = [evidence_of(forward, grades) for forward, grades in self.session.graded]
        return answer | {"evidence": [one for one in packed if one is not None]}

    def _graded(self, errors: Sequence[CellError]) -> Report:
        """Return the report on the gradients that ran, with that on the engines."""
        engines = self._engines
        try:
            report = self.session.finish(self.file, errors)
        except CheckError:
            if not engines.rows:
                raise
            return engines.report(self.file, errors)
        if not engines.rows:
            return report
        if not any(row.hand for row in report.rows):
            return engines.report(self.file, errors)
        listings = tuple(dict.fromkeys((*report.listings, *engines.listings)))
        notes = (*report.notes, *engines.notes)
        return replace(report, rows=(*report.rows, *engines.rows), notes=notes, listings=listings)
