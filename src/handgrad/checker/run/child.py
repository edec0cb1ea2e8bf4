"""The child process of `check_file`: runs the user's code, grades it, answers on a pipe.

Started as `python -P -m handgrad.checker.run.child EVENTS_FD`; process.py describes the talk.
"""

import builtins
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from handgrad.checker.records import CellError, Note
from handgrad.checker.report.words import error_place
from handgrad.checker.run.deadline import Deadline, Timeout
from handgrad.checker.run.failure import cell_name
from handgrad.checker.run.forks import SERVE, serve
from handgrad.checker.run.output import Echo
from handgrad.checker.run.source import Cell, require_hand_gradients
from handgrad.checker.run.wire import pack
from handgrad.errors import CheckError
from handgrad.text import one_line

if TYPE_CHECKING:
    from handgrad.checker.session import Session


class Runner(Protocol):
    """Runs the cells of one kind of file."""

    @property
    def stopped(self) -> bool:
        """Whether the user's code has said that nothing more is to be run."""

    def run(self, cell: Cell) -> CellError | None:
        """Run one cell; what it raised, if anything."""

    def notes(self) -> list[Note]:
        """What was not run, and the like."""


class Channel:
    """The child's ends of the talk with its parent, which nothing that it starts inherits."""

    def __init__(self, events: int) -> None:
        os.set_inheritable(events, False)
        self._events = os.fdopen(events, "w", encoding="utf-8")
        lifeline = os.dup(0)
        self._lifeline = os.fdopen(lifeline, "r", encoding="utf-8")

    def request(self) -> dict[str, Any]:
        """What the parent asks for. From here on standard input is empty and the parent watched."""
        request: dict[str, Any] = json.loads(self._lifeline.readline())
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        threading.Thread(target=self._follow_parent, daemon=True).start()
        return request

    def _follow_parent(self) -> None:
        """A notebook must not run on for ever when the `handgrad check` that started it is gone."""
        self._lifeline.read()
        os.killpg(0, signal.SIGKILL)

    def send(self, event: str, **values: Any) -> None:
        """Tell the parent; in ASCII, so that no encoding can get in the way."""
        self._events.write(json.dumps({"event": event, **values}) + "\n")
        self._events.flush()


def main() -> NoReturn:
    """Serve one request and end at once, whatever threads the user's code has left behind."""
    channel = Channel(_events())
    try:
        answer = Work(channel, channel.request()).run()
    except CheckError as refusal:
        answer = {"event": "refused", "message": str(refusal)}
    except BaseException as error:  # ours: the user's own were caught where they were raised
        answer = _failure(error)
    _leave(channel, answer)


def _events() -> int:
    """Return the descriptor of the pipe of events; in a fork server, that of each child."""
    if sys.argv[1] != SERVE:
        return int(sys.argv[1])
    events = serve(int(sys.argv[2]), sys.argv[3])
    sys.argv[1:] = [str(events)]
    return events


def _leave(channel: Channel, answer: dict[str, Any]) -> NoReturn:
    channel.send(**answer)
    with suppress(Exception):  # the user's code may have closed it
        sys.stdout.flush()
    os._exit(0)


def _failure(error: BaseException) -> dict[str, Any]:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    what = one_line(f"{type(error).__name__}: {error}")
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    message = f"handgrad itself failed, please report it: {what} (at {where})"
    return {"event": "failed", "message": message}


class Work:
    """One request: all cells run, whatever they raise, and then what they did graded."""

    def __init__(self, channel: Channel, request: dict[str, Any]) -> None:
        from handgrad.checker.session import Session, has_hand_gradients

        self._channel = channel
        self._shown: str = request["shown"]
        self._cells = [Cell(*cell) for cell in request["cells"]]
        self._errors: list[CellError] = []
        self._cell: int | None = None
        self._task: str = request.get("task", "check")
        self._solved: bool = request.get("solved", False)
        self._asked: dict[str, Any] = request.get("derive", {})
        if self._task == "check" and not request["pairs"]:
            require_hand_gradients(self._shown, self._cells, has_hand_gradients)
        self._session = Session(request["pairs"], request["max_steps"])
        if self._task == "derive":  # the loss is there after the first step of a training loop
            self._session.recorder.stops = self._asked["loss"] is None
        self._path = Path(request["path"])
        scratch = Path(request["scratch"])
        self._runner = _runner(self._session, request["kind"], self._path, scratch)
        self._deadline = Deadline(request["timeout"], self._give_up)

    def run(self) -> dict[str, Any]:
        """The answer for the parent."""
        self._channel.send("ready")
        process = os.getpid()
        for cell in self._cells:
            if self._runner.stopped or self._deadline.passed or self._has_enough():
                break
            self._run(cell)
            if os.getpid() != process:
                os._exit(0)  # a fork of the user's that came out of its code: it must not answer
        self._deadline.over()
        return self._grade()

    def _has_enough(self) -> bool:
        """Whether what is to come cannot matter: an exercise ends with its loss, a derivation with
        the first steps of a training loop."""
        if self._task == "derive":
            return self._session.recorder.enough
        if self._task != "exercise":
            return False
        from handgrad.checker.record.trace import Backward

        return bool(self._session.recorder.trace.of(Backward))

    def _run(self, cell: Cell) -> None:
        self._cell = cell.number
        self._channel.send("cell", cell=cell.number)
        try:
            with self._session.recording(), self._deadline.users_code():
                error = self._runner.run(cell)
        except Timeout as late:  # struck between two statements, where no runner could catch it
            error = CellError(cell.number, None, f"Timeout: {late}")
        if self._task == "derive" and self._session.recorder.enough:
            return
        if error is not None:
            self._errors.append(error)

    def _line(self) -> int | None:
        """Where in its file the user's code is right now, asked from another thread."""
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        filename = str(self._path) if self._cell is None else cell_name(self._cell)
        lines = [f.lineno for f in traceback.extract_stack(frame) if f.filename == filename]
        return lines[-1] if lines else None

    def _grade(self) -> dict[str, Any]:
        self._channel.send("grading")
        try:
            return {"event": "report", **TASKS[self._task](self)}
        except CheckError as refusal:
            return {"event": "refused", "message": _refusal(str(refusal), self._errors)}

    def check(self) -> dict[str, Any]:
        """The gradients by hand, graded."""
        report = self._session.finish(self._shown, self._errors)
        notes = (*report.notes, *self._runner.notes())
        return {"report": pack(replace(report, notes=notes))}

    def exercise(self) -> dict[str, Any]:
        """The forward pass, for an exercise in writing its gradients."""
        from handgrad.checker.exercise.forward import described

        trace = self._session.recorder.trace
        forward = described(trace, self._shown, self._errors, self._solved)
        return {"forward": forward.pack()}

    def derive(self) -> dict[str, Any]:
        """The backward pass of the forward pass."""
        from handgrad.checker.derive_file import derive_session

        derived = derive_session(self._session, self._shown, self._errors, **self._asked)
        return {"derivation": asdict(derived)}

    def _give_up(self, late: Timeout) -> NoReturn:
        """Grade while the user's code still stands where it is, and end with it."""
        self._errors.append(CellError(self._cell, self._line(), f"Timeout: {late}"))
        try:
            answer = self._grade()
        except BaseException as error:
            answer = _failure(error)
        _leave(self._channel, answer)


TASKS: dict[str, Callable[[Work], dict[str, Any]]] = {
    "check": Work.check,
    "exercise": Work.exercise,
    "derive": Work.derive,
}
"""What a request may ask for of a file that has run."""


def _refusal(message: str, errors: list[CellError]) -> str:
    """Why nothing could be graded is most often that something failed before it."""
    if not errors:
        return message
    return f"{message}; {error_place(errors[0]) or 'it'} failed: {errors[0].error}"


def _runner(session: "Session", kind: str, path: Path, scratch: Path) -> Runner:
    """Make this process what the user's code expects: its folder, its streams, its module path."""
    sys.path[:] = [os.path.abspath(entry) for entry in sys.path]  # before the folder changes
    os.chdir(path.parent)
    builtins.input = _no_input
    sys.stdout = output = Echo(sys.stdout.buffer)
    if kind == "script":
        from handgrad.checker.run.script import ScriptRunner

        return ScriptRunner(session, path)
    from handgrad.checker.run.shell import NotebookRunner

    return NotebookRunner(session, path, scratch, output)


def _no_input(prompt: object = "", /) -> NoReturn:
    raise EOFError("input() was called, and nobody is there to answer while handgrad check runs")


if __name__ == "__main__":
    main()
