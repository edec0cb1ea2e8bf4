"""Watching a `with` block: Python's line events show which names its lines set."""

import ast
import ctypes
import linecache
import sys
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, FrameType
from typing import Any

from handgrad.checker.record.instrument import Instrumenter, Statement
from handgrad.checker.records import Place
from handgrad.checker.report.report import Report
from handgrad.checker.session import Session
from handgrad.errors import CheckError

Read = tuple[int, list[CodeType]]
"""A statement's number, and the code that reads its targets back."""


class Watcher:
    """Records the block, and the functions of the same file that it calls."""

    def __init__(self, frame: FrameType, pairs: Mapping[str, str] | None, file: str | None) -> None:
        self._frame = frame
        self._file = file or frame.f_code.co_filename
        self._session = Session(pairs)
        self._lines = self._statements()
        self._running: dict[FrameType, int] = {}
        self._recording = self._session.recording()
        self._before: Any = None

    def __enter__(self) -> "Watcher":
        self._before = sys.gettrace()
        self._recording.__enter__()
        self._track(self._frame, list(self._frame.f_locals))
        here = Statement(Place(self._frame.f_lineno), "")
        self._session.recorder.known(here, self._frame.f_locals)
        self._frame.f_trace = self._line
        sys.settrace(self._call)
        return self

    def __exit__(self, *error: Any) -> None:
        sys.settrace(self._before)
        self._frame.f_trace = None
        self._finish(self._frame)
        self._recording.__exit__(*error)
        for name, value in list(self._frame.f_locals.items()):
            own = self._session.recorder.untracked(value)
            if own is not value:
                _set(self._frame, name, own)

    def check(self) -> Report:
        """Judge what has run so far. Raises CheckError, one line, if there is nothing to judge."""
        return self._session.finish(self._file)

    def _statements(self) -> dict[int, list[Read]]:
        """Return, for each line, the statements that start there."""
        name = self._frame.f_code.co_filename
        source = "".join(linecache.getlines(name, self._frame.f_globals))
        try:
            tree = ast.parse(source)
        except SyntaxError:
            source = ""
        if not source.strip():
            raise CheckError(f"{name}: no source code is available, so its names are unknown")
        instrumenter = Instrumenter(self._session.statements, None, source)
        instrumenter.module(tree)
        lines: dict[int, list[Read]] = {}
        for number, reads in instrumenter.reads.items():
            codes = [_compiled(read) for read in reads]
            line = self._session.statements[number].place.line
            lines.setdefault(line, []).append((number, codes))
        return lines

    def _call(self, frame: FrameType, event: str, value: Any) -> Callable[..., Any] | None:
        same = frame.f_code.co_filename == self._frame.f_code.co_filename
        return self._line if same else None

    def _line(self, frame: FrameType, event: str, value: Any) -> Callable[..., Any]:
        if event in ("line", "return"):
            self._finish(frame)
        if event == "line" and frame.f_lineno in self._lines:
            self._running[frame] = frame.f_lineno
        return self._line

    def _finish(self, frame: FrameType) -> None:
        """Pass on what the line that has just ended set."""
        line = self._running.pop(frame, None)
        for number, codes in self._lines.get(line, ()) if line is not None else ():
            self._track(frame, [t.name for t in self._session.statements[number].targets])
            try:
                values = [eval(code, frame.f_globals, frame.f_locals) for code in codes]
            except Exception:  # the line raised before it set them
                continue
            self._session.recorder.ran(frame, number, *values)

    def _track(self, frame: FrameType, names: Sequence[str]) -> None:
        """Put tracked arrays in the place of NumPy's own."""
        for name in names:
            value = frame.f_locals.get(name)
            tracked = self._session.recorder.tracked(value)
            if tracked is not value:
                _set(frame, name, tracked)


def _set(frame: FrameType, name: str, value: Any) -> None:
    """Set a local name of a running function, or a global name of a module."""
    frame.f_locals[name] = value
    if sys.version_info < (3, 13):  # there, f_locals is a copy that must be written back
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))


def _compiled(read: ast.expr) -> CodeType:
    return compile(ast.fix_missing_locations(ast.Expression(read)), "<names>", "eval")
