"""Errors of the user's code, each as one line: what was raised, and where in the file."""

import difflib
import os
import re
import traceback
from types import CodeType

from torch import Tensor

from handgrad.checker.records import CellError
from handgrad.checker.run.sandbox import WALLED
from handgrad.text import one_line

CELL_NAME = re.compile(r"<cell (\d+)>")
NO_INPUT = "input() was called, but handgrad check runs without a user to answer"
NO_NETWORK = ("name resolution", "Name or service not known", "Network is unreachable")
SIMILAR = 0.8
"""The share of letters in common from which a name is taken for a slip: one letter of five."""


def cell_name(number: int) -> str:
    """Return the file name that cell `number` is compiled under; tracebacks show it."""
    return f"<cell {number}>"


def describe(error: BaseException, filename: str, cell: int | None) -> CellError:
    """Return `error` of `cell` (None: the script), whose code was compiled as `filename`."""
    if isinstance(error, SyntaxError) and error.filename == filename:
        return CellError(cell, error.lineno, f"{type(error).__name__}: {one_line(error.msg)}")
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == filename]
    text = f"{type(error).__name__}: {_message(error)}".removesuffix(": ")
    text += (
        _meant(error)
        + _without_grad(error, filename)
        + _other_cell(frames, filename)
        + _missing_file(error)
        + _without_network(error)
    )
    return CellError(cell, lines[-1] if lines else None, text)


def _message(error: BaseException) -> str:
    """Return the first line of the message; torch's go on with all signatures of a function."""
    try:
        lines = [line for line in str(error).split("\n") if line.strip()]
    except Exception:  # the __str__ of a user's exception class may itself raise
        return ""
    more = " ..." if len(lines) > 1 else ""
    return one_line(lines[0]) + more if lines else ""


def _meant(error: BaseException) -> str:
    """Name what exists and is written almost as the name that does not."""
    if not isinstance(error, NameError) or not error.name or error.__traceback__ is None:
        return ""
    *_, (frame, _line) = traceback.walk_tb(error.__traceback__)
    known = {name for name in (*frame.f_locals, *frame.f_globals) if not name.startswith("__")}
    near = difflib.get_close_matches(error.name, sorted(known), 1, SIMILAR)
    return f"; did you mean {near[0]}?" if near else ""


def _without_grad(error: BaseException, filename: str) -> str:
    """Name the tensor whose `.grad` is None where a line that reads it raised TypeError."""
    if not isinstance(error, TypeError):
        return ""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    users = [f for f in frames if f.f_code.co_filename == filename or _is_cell(f.f_code)]
    if not users or "grad" not in users[-1].f_code.co_names:
        return ""
    values = [v for v in users[-1].f_locals.values() if isinstance(v, Tensor)]
    known = {n: v for n, v in users[0].f_locals.items() if any(v is value for value in values)}
    named = {n: v for n, v in known.items() if v.requires_grad}
    for name, value in named.items():
        if (value.is_leaf or value.retains_grad) and value.grad is None:
            again = "created" if value.is_leaf else "computed again"
            return (
                f"; {name}.grad is None: {name} was {again} after backward(), or the loss does not "
                "depend on it"
            )
    inner = [n for n, v in named.items() if not (v.is_leaf or v.retains_grad)]
    node = next((n for n in inner if f"d{n}" in inner), None)
    if node is not None:
        return f"; {node}.grad is None: call {node}.retain_grad() before backward()"
    node = next((n for n in known if n not in named and f"d{n}" in known), None)
    again = f"; {node}.grad is None: {node} was computed again after backward(), or needs no grad"
    return again if node is not None else ""


def _is_cell(code: CodeType) -> bool:
    return CELL_NAME.fullmatch(code.co_filename) is not None


def _other_cell(frames: traceback.StackSummary, filename: str) -> str:
    """Name the function of another cell that raised: the mistake may be there."""
    users = [f for f in frames if f.filename == filename or CELL_NAME.fullmatch(f.filename)]
    last = users[-1] if users else None
    if last is None or last.filename == filename:
        return ""
    (number,) = CELL_NAME.findall(last.filename)
    return f" (in {last.name}, cell {number}, line {last.lineno})"


def _without_network(error: BaseException) -> str:
    """Say that a sandbox has no network."""
    asks = any(sign in str(error) for sign in NO_NETWORK) if isinstance(error, OSError) else False
    return (
        "; a sandbox has no network: check with --no-sandbox"
        if asks and WALLED in os.environ
        else ""
    )


def _missing_file(error: BaseException) -> str:
    """Give the absolute path of a file that was not found, and the folder that the code runs in."""
    name = getattr(error, "filename", None)
    if not isinstance(error, FileNotFoundError) or not isinstance(name, str | bytes | os.PathLike):
        return ""
    path = os.path.abspath(os.fsdecode(name))
    return f" (looked for {one_line(path)}; the file runs in {one_line(os.getcwd())})"
