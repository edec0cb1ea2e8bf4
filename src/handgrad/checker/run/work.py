"""What a child does with its request: run all cells of the file, then compute the answer."""

import builtins
import os
import sys
import threading
import traceback
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NoReturn

from handgrad.checker.records import CellError
from handgrad.checker.report.words import error_place
from handgrad.checker.run.cells import Cell
from handgrad.checker.run.channel import Channel, answered, failure
from handgrad.checker.run.deadline import Deadline, Timeout
from handgrad.checker.run.failure import NO_INPUT, cell_name
from handgrad.checker.run.originals import Originals, replacements
from handgrad.checker.run.output import Echo
from handgrad.errors import CheckError

if TYPE_CHECKING:
    from handgrad.checker.run.script import ScriptRunner
    from handgrad.checker.run.shell import NotebookRunner
    from handgrad.checker.run.task import Task
    from handgrad.checker.session import Session


class Work:
    """One request: run all cells, whatever they raise, then compute the answer."""

    def __init__(self, channel: Channel, request: dict[str, Any]) -> None:
        self._channel = channel
        self._cells = [Cell(*cell) for cell in request["cells"]]
        self._errors: list[CellError] = []
        self._cell: int | None = None
        task: type[Task] = resolve_name(request["task"])  # torch: after the parent is watched
        self._task = task(request)
        self._task.require(self._cells)
        self._path = Path(request["path"])
        self._runner = _cell_runner(self._task.session, request)
        self._originals = Originals()
        self._deadline = Deadline(request["timeout"], self._give_up)

    def run(self) -> dict[str, Any]:
        """Return the answer for the parent."""
        self._channel.send("ready")
        process = os.getpid()
        for cell in self._cells:
            if self._runner.stopped or self._deadline.passed or self._task.has_enough():
                break
            self._run(cell)
            if os.getpid() != process:
                os._exit(0)  # the user's code forked and the fork returned here: only one answers
        self._deadline.over()
        return self._answer()

    def _run(self, cell: Cell) -> None:
        self._cell = cell.number
        self._channel.send("cell", cell=cell.number)
        try:
            with self._task.session.recording(), self._deadline.users_code():
                errors = self._runner.run(cell)
        except Timeout as late:  # raised between two statements, outside of the runner's handler
            errors = [CellError(cell.number, None, f"Timeout: {late}")]
        if not self._task.ended_cell():
            self._errors += errors

    def _line(self) -> int | None:
        """Return the line that the user's code is at. Called from another thread."""
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        filename = str(self._path) if self._cell is None else cell_name(self._cell)
        lines = [f.lineno for f in traceback.extract_stack(frame) if f.filename == filename]
        return lines[-1] if lines else None

    def _answer(self) -> dict[str, Any]:
        self._channel.send("grading")
        replaced = self._originals.put_back()
        try:
            notes = [*self._runner.notes(), *replacements(replaced)]
            return {"event": "answer", **self._task.answer(self._errors, notes)}
        except CheckError as refusal:
            return {"event": "refused", "message": _refusal(str(refusal), self._errors)}

    def _give_up(self, late: Timeout) -> NoReturn:
        """Answer while the user's code is still running, then exit."""
        self._errors.append(CellError(self._cell, self._line(), f"Timeout: {late}"))
        try:
            answer = self._answer()
        except BaseException as error:
            answer = failure(error)
        answered(self._channel, answer)


def _refusal(message: str, errors: list[CellError]) -> str:
    """Add the first error of the file, which is often the reason why nothing can be graded."""
    if not errors:
        return message
    return f"{message}; {error_place(errors[0]) or 'it'} failed: {errors[0].error}"


def _cell_runner(session: "Session", request: dict[str, Any]) -> "ScriptRunner | NotebookRunner":
    """Give this process the folder, streams and module path that the user's code expects."""
    sys.path[:] = [os.path.abspath(entry) for entry in sys.path]  # before the folder changes
    path = Path(request["path"])
    os.chdir(request["folder"])
    builtins.input = _no_input
    sys.stdout = output = Echo(sys.stdout.buffer)
    if request["kind"] == "script":
        from handgrad.checker.run.script import ScriptRunner

        return ScriptRunner(session, path, request["arguments"], request["module"])
    from handgrad.checker.run.shell import NotebookRunner

    return NotebookRunner(session, path, Path(request["scratch"]), output)


def _no_input(prompt: object = "", /) -> NoReturn:
    raise EOFError(NO_INPUT)
