"""One recording of all cells, and which part of it is kept between cells."""

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, overrides

from handgrad.checker.record.carriers import tensor_of
from handgrad.checker.record.forget import forget
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, Event
from handgrad.checker.records import Place
from handgrad.checker.session import Session
from handgrad.notebook.hook import Hook

ROOM = 2**30
"""Bytes of new tensors that are recorded of one cell; beyond, the cell runs unrecorded."""
OFTEN_EVENTS, OFTEN_BYTES = 2_000, 64 * 2**20
"""Once the recording has grown by this much, what no longer matters is forgotten."""
GONE = Statement(Place(0), "")
"""Replaces a statement that cannot run again."""
MOST_SOURCES = 200


class Watch:
    """Records one cell after the other. `names` is the user's namespace."""

    def __init__(self, statements: list[Statement], names: dict[str, Any], hook: Hook) -> None:
        self.session = Session()
        self.session.statements.extend(statements)
        self.recorder = self.session.recorder
        self.names = names
        self.start = 0
        """The number of the first event of the running cell."""
        self.cell = 0
        self._bound: dict[str, Bind] = {}
        self._kept_events = self._kept_bytes = self._taken = 0
        self._recording: Any = None
        self.unwatched: str | None = None
        """What ended the recording of the cell before its end, if anything did."""
        hook.listen(self.recorder, self._end)

    @property
    def events(self) -> list[Event]:
        """The events of the running cell, or of the one that has just run."""
        return self.recorder.trace.events[self.start :]

    def enter(self, cell: int) -> None:
        """Start recording a cell."""
        self.recorder.failures.clear()
        self.recorder.room = ROOM
        self.unwatched = None
        self.announce(self.cell)
        self.recorder.notice(bind.value for bind in self._bound.values())
        self.cell, self.start = cell, len(self.recorder.trace)
        self._recording = self.session.recording()
        self._recording.__enter__()

    def leave(self) -> None:
        """Stop recording the cell."""
        if self._recording is None:
            return
        recording, self._recording = self._recording, None
        recording.__exit__(None, None, None)
        if self.recorder.mode is not None:  # below a mode that the cell has entered but not left
            _take_out(self.recorder.mode)
            self.recorder.mode = None
        for event in self.events:
            if type(event) is Bind and not event.statement.function and event.kind != "param":
                self._bound[event.name] = event
        room = self.recorder.room or 0
        self._taken += ROOM - room
        if room < 0:
            self.unwatched = f"more than {ROOM // 2**30} GiB of tensors"

    def pause(self) -> None:
        """Stop recording this cell: the rest of it is timed."""
        self.recorder.stop("it is timed")
        self.unwatched = "%timeit"

    def announce(self, cell: int) -> None:
        """Tell the recorder about tensors that were named unrecorded, in cell `cell` or before."""
        new = {n: v for n, v in self._tensors().items() if self._is_new(n, v)}
        if new:
            at = len(self.recorder.trace)
            self.recorder.known(Statement(Place(1, cell), ""), new)
            for bind in self.recorder.trace.events[at:]:
                assert type(bind) is Bind
                self._bound[bind.name] = bind

    def _tensors(self) -> dict[str, Tensor]:
        """Return the user's strided tensors by name."""
        values = [(n, tensor_of(v)) for n, v in self.names.items()]
        tensors = [(n, v) for n, v in values if isinstance(v, Tensor)]
        return {n: v for n, v in tensors if n[0] != "_" and v.layout is torch.strided}

    def _is_new(self, name: str, value: Tensor) -> bool:
        bind = self._bound.get(name)
        return bind is None or bind.value is not value

    def _end(self, number: int) -> None:
        """Hook: loop `number` has ended; take in the names that its unrecorded part has set."""
        cut = self.recorder.paused_by == number
        self.recorder.end(number)
        frame = sys._getframe(1)
        if cut and frame.f_globals is self.names:
            place = self.session.statements[number].place
            with torch._C.DisableTorchFunction():
                last = {b.name: b.value for b in self.events if type(b) is Bind}
                known = self._tensors().items()
                new = {n: v for n, v in known if n in last and last[n] is not v}
                self.recorder.known(Statement(place, ""), new)

    def tidy(self, names: Mapping[str, Any], lasting: bool, first: int) -> None:
        """Forget what no longer matters.

        `lasting` is True if the cell has defined functions or classes, so that its statements,
        from number `first` on, may run again.
        """
        if not lasting:
            statements = self.session.statements
            statements[first:] = [GONE] * (len(statements) - first)
        del self.session.sources[:-MOST_SOURCES]
        self._slim()
        more = len(self.recorder.trace) - self._kept_events
        if more > OFTEN_EVENTS + self._kept_events or self._taken > OFTEN_BYTES:
            forget(self.recorder, names)
            self._kept_events, self._taken = len(self.recorder.trace), 0
            kept = {id(e) for e in self.recorder.trace.events}
            self._bound = {n: b for n, b in self._bound.items() if id(b) in kept}

    def _slim(self) -> None:
        """Let go of large values that are not tensors, such as a table of data that a line read."""
        scopes = {id(e.scope): e.scope for e in self.events if type(e) is Bind and e.scope}
        if not scopes:
            return
        heavy = [n for n, v in self.names.items() if n.startswith("_") or not _is_light(v)]
        for scope in scopes.values():
            for name in heavy:
                scope.names.pop(name, None)


_LIGHT = (int, float, complex, str, bool, type(None), torch.Size, torch.dtype, torch.device)


def _is_light(value: Any) -> bool:
    if isinstance(value, Tensor):
        return True
    if isinstance(value, str | bytes):
        return len(value) < 2**12
    return isinstance(value, _LIGHT) or callable(value) or type(value) is type(sys)


def _take_out(mode: Any) -> None:
    """Remove one mode from the stack, wherever it is."""
    stack = []
    while overrides._get_current_function_mode() is not None:  # type: ignore[no-untyped-call]
        stack.append(overrides._pop_mode())  # type: ignore[no-untyped-call]
    for other in reversed(stack):
        if other is not mode:
            overrides._push_mode(other)  # type: ignore[no-untyped-call]
