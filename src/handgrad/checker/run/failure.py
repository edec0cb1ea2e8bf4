"""Errors of the user's own code, each as one line: what was raised, and where in the file."""

import os
import re
import traceback

from handgrad.checker.records import CellError
from handgrad.text import one_line

CELL_NAME = re.compile(r"<cell (\d+)>")


def cell_name(number: int) -> str:
    """The file name that cell `number` is compiled under, so that tracebacks lead back to it."""
    return f"<cell {number}>"


def describe(error: BaseException, filename: str, cell: int | None) -> CellError:
    """What became of `cell` (None: the script), whose code was compiled as `filename`."""
    if isinstance(error, SyntaxError) and error.filename == filename:
        return CellError(cell, error.lineno, f"{type(error).__name__}: {one_line(error.msg)}")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == filename]
    line = own[-1].lineno if own else None
    text = f"{type(error).__name__}: {_message(error)}".removesuffix(": ")
    return CellError(cell, line, text + _elsewhere(frames, filename) + _file_looked_for(error))


def _message(error: BaseException) -> str:
    """The first line of what it says; torch's go on with all signatures of a function."""
    try:
        lines = [line for line in str(error).split("\n") if line.strip()]
    except Exception:  # a user's own exception class may fail to say what it is
        return ""
    more = " ..." if len(lines) > 1 else ""
    return one_line(lines[0]) + more if lines else ""


def _elsewhere(frames: traceback.StackSummary, filename: str) -> str:
    """A function of another cell in which it happened: the mistake may be there."""
    ours = [
        frame
        for frame in frames
        if frame.filename == filename or CELL_NAME.fullmatch(frame.filename)
    ]
    if not ours or ours[-1].filename == filename:
        return ""
    last = ours[-1]
    number = CELL_NAME.fullmatch(last.filename)
    assert number is not None
    return f" (in {last.name}, cell {number[1]}, line {last.lineno})"


def _file_looked_for(error: BaseException) -> str:
    """For a file that is not there: the whole path that was looked for, and from where."""
    name = getattr(error, "filename", None)
    if not isinstance(error, FileNotFoundError) or not isinstance(name, str | bytes | os.PathLike):
        return ""
    path = os.path.abspath(os.fsdecode(name))
    return f" (looked for {one_line(path)}; the file runs in {one_line(os.getcwd())})"
