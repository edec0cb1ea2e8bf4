"""The recorder: sees every torch function and every named statement while the user's file runs.

It changes nothing that the user can see: the same functions run on the same tensors in the same
order, it draws no random number, and it computes autograd's own gradients from the same graph, just
before the user's backward() does.
"""

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.record.asking import SEEDS, asked, gradients_of
from handgrad.checker.record.calls import Calls
from handgrad.checker.record.effects import (
    FROM_LISTS,
    PEEKS,
    RANDOM,
    SET_DATA,
    rng_state,
    targets_of,
)
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.loops import LoopWatch
from handgrad.checker.record.mode import Mode, top_mode
from handgrad.checker.record.names import Names, may_hold, named_in
from handgrad.checker.record.scope import Scope, Scopes
from handgrad.checker.record.targets import Kind
from handgrad.checker.record.trace import (
    Backward,
    Barrier,
    Compared,
    Event,
    Op,
    Trace,
    key_of,
    tensors_in,
)

STOPPED = -1
"""As `paused_by`: recording is over, and no loop resumes it."""
EVENT_BYTES = 1024
"""The memory of an event without its tensors: millions of small ones fill the memory too."""


class Enough(BaseException):
    """Raised to leave the user's file once everything needed is recorded."""


class Recorder:
    """Fills a Trace. Instrumented code calls `after`, `entered`, `tick` and the other hooks."""

    def __init__(self, statements: list[Statement], max_steps: int | None = None) -> None:
        self.trace = Trace()
        self.statements = statements
        self.limit = 2 if max_steps is None else max(1, max_steps)
        self.mode: Mode | None = None
        self.paused_by: int | None = None
        self.failures: list[str] = []
        """Errors of the recording itself; they never reach the user's code."""
        self.room: int | None = None
        """How many bytes of new tensors may still be recorded; None for no limit."""
        self.stops = False
        """Whether to leave the file once a training loop has been recorded for `limit` steps."""
        self.enough = False
        """Whether the file was left for that reason."""
        self._names, self._scopes = Names(self.trace), Scopes()
        self._loops: dict[int, LoopWatch] = {}
        self.calls = Calls(self.trace, self._names, statements)

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Record what runs inside."""
        self._enter()
        try:
            yield
        finally:
            self._names.written.clear()
            self.paused_by = None
            self._loops.clear()
            self._leave()

    def called(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run one torch function for the user, and record it."""
        if self.paused_by is not None or func in PEEKS:
            return func(*args, **kwargs)
        if func in SEEDS:
            self.ask(*asked(func, args, kwargs))  # before the user's own call
            return func(*args, **kwargs)
        if func in FROM_LISTS:  # a constant, from lists that are too long to search
            return self._note(func, (), {}, func(*args, **kwargs), ())
        try:
            inputs = (*tensors_in(args), *tensors_in(kwargs))
            name = getattr(func, "__name__", "")
            for value in inputs:
                self._names.see(value)
            self.trace.before_write(targets_of(name, args, kwargs))
            if func == SET_DATA:
                self.trace.renew(args[0])
            rng = rng_state(inputs[0].device) if name in RANDOM and inputs else None
        except Exception as error:  # a tensor without storage: sparse, or under vmap
            self._failed(error)
            return func(*args, **kwargs)
        return self._note(func, args, kwargs, func(*args, **kwargs), inputs, rng)

    def _note(self, func: Any, args: Any, kwargs: Any, result: Any, *seen: Any) -> Any:
        """Record what `func` returned, and return it even if recording fails."""
        try:
            self._add(func, args, kwargs, result, *seen)
        except Exception as error:
            self._failed(error)
        return result

    def _add(
        self,
        func: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        result: Any,
        inputs: tuple[Tensor, ...],
        rng: Tensor | None = None,
    ) -> None:
        writes = self._names.stale(inputs)
        outputs = (*tensors_in(result), *writes)
        if not outputs and getattr(func, "__name__", "") != "__set__":
            return
        keys = [key_of(value) for value in outputs]  # raises before anything is recorded
        index, enabled = len(self.trace), torch.is_grad_enabled()
        op = Op(index, func, args, kwargs, result, inputs, outputs, writes, enabled, rng)
        self.trace.events.append(op)
        for value in self._names.given(keys, outputs):
            self._take_room(value)

    def _take_room(self, value: Tensor) -> None:
        if self.room is None:
            return
        self.room -= value.untyped_storage().nbytes() + EVENT_BYTES
        if self.room < 0:
            self.stop("no room is left")

    def stop(self, reason: str) -> None:
        """Record nothing more until `recording` is entered again."""
        if self.paused_by is None:
            self._leave()
            self._barrier(reason)
        self.paused_by = STOPPED

    def notice(self, values: Iterable[Tensor]) -> None:
        """Between two recordings: note whether one of these tensors was written to meanwhile."""
        if self._names.touched(values):
            self._barrier("written to while nothing was recorded")

    def keep(self, events: Sequence[Event]) -> None:
        """Forget everything but these events of the trace."""
        old = [event.index for event in events]
        self._names.keep(events, memory := self.trace.keep(events))
        self.calls.keep(old, memory)
        self._scopes = Scopes()

    def ask(self, losses: tuple[Tensor, ...], seeds: tuple[Tensor | None, ...]) -> None:
        """Record a backward pass from `losses`, with autograd's gradient of every named tensor."""
        event = Backward(len(self.trace), losses, seeds)
        self.trace.events.append(event)
        with self._guarded():
            event.gradients = gradients_of(self.trace, event)

    def after(self, number: int, *values: Any) -> None:
        """Hook: statement `number` has run, and its targets now have `values`."""
        if self._listens():
            self.calls.mark(self.statements[number])
            self.ran(sys._getframe(1), number, *values)

    def ran(self, frame: FrameType, number: int, *values: Any) -> None:
        """Record that statement `number` has run in `frame` and set its targets to `values`."""
        if not (self._listens() and (self._names.written or any(map(may_hold, values)))):
            return  # as most statements of most files
        with self._guarded():
            statement = self.statements[number]
            named: list[tuple[str, Kind, Tensor]] = []
            for target, value in zip(statement.targets, values, strict=True):
                named += named_in(target, value)
            scope = self._scope(frame, number) if named or self._names.written else None
            self.calls.updated(frame, scope, statement, named)
            self._names.changed(statement, named, scope, self.calls.of(frame))

    def known(
        self, statement: Statement, names: Mapping[str, Any], scope: Scope | None = None
    ) -> None:
        """Record tensors that had names before recording began."""
        with self._guarded():
            for name, value in names.items():
                if isinstance(value, Tensor):
                    self._names.bind(name, "assign", value, statement, scope)

    def entered(self, number: int) -> None:
        """Hook: the function defined by statement `number` begins to run."""
        if self._listens():
            with self._guarded():
                self.calls.entered(sys._getframe(1), self.statements[number])

    def returned(self, number: int, value: Any) -> Any:
        """Hook: the return statement `number` returns `value`, which is passed on."""
        if self._listens():
            frame, statement = sys._getframe(1), self.statements[number]
            with self._guarded():
                self.calls.mark(statement)
                self.calls.returned(frame, self._scope(frame, number), statement, value)
        return value

    def _listens(self) -> bool:
        recording = self.paused_by is None and self.mode is not None
        return recording and not torch.compiler.is_compiling()

    def compared(self, number: int, *values: Any) -> None:
        """Hook: statement `number` is about to compare two values under a label."""
        if self._listens() and all(isinstance(v, Tensor) for v in values):
            said = self.statements[number]
            event = Compared(len(self.trace), said.label or "", values, (), said)
            self.trace.events.append(event)

    def tick(self, number: int) -> None:
        """Hook: an iteration of loop `number` begins."""
        if self.paused_by is not None:
            if self.paused_by == STOPPED:
                self._leave()
            return
        if not self._listens():
            return
        watch = self._loops.get(number)
        if watch is None:
            frame, statement = sys._getframe(1), self.statements[number]
            scope = self._scopes.of(frame, number, statement.text)
            watch = LoopWatch(len(self.trace), statement.place.line, id(frame), scope)
            self._loops[number] = watch
        self._stepped(watch)
        if watch.has_enough(self.trace, self.limit):
            self._leave()  # if it cannot, calls pass through unrecorded
            self._barrier(f"after {watch.steps} steps", self.statements[number])
            self.paused_by = number
            if self.stops and watch.steps >= self.limit:
                self.enough = True
                raise Enough

    def _stepped(self, watch: LoopWatch) -> None:
        """Note that an iteration of a loop is over."""
        step = watch.tick(self.trace)
        if step is not None:
            self.trace.events.append(step)
            watch.began = len(self.trace)

    def _scope(self, frame: FrameType, number: int) -> Scope:
        scope = self._scopes.of(frame, number, self.statements[number].text)
        running = [watch for watch in self._loops.values() if watch.frame == id(frame)]
        scope.loops = {watch.line: watch.scope for watch in running}
        return scope

    def end(self, number: int) -> None:
        """Hook: loop `number` is over."""
        if torch.compiler.is_compiling():
            return
        watch = self._loops.pop(number, None)
        if watch is not None and self.paused_by is None and self.mode is not None:
            self._stepped(watch)
        if self.paused_by == number:
            self.paused_by = None
            if self.mode is None:
                self._enter()

    def _barrier(self, reason: str, statement: Statement | None = None) -> None:
        self.trace.keep_all()
        self.trace.events.append(Barrier(len(self.trace), reason, statement))
        self._names.clear()

    def _enter(self) -> None:
        self.mode = Mode(self.called)
        self.mode.__enter__()  # type: ignore[no-untyped-call]

    def _leave(self) -> bool:
        """Leave the mode, unless the user entered another one after it."""
        if self.mode is None or top_mode() is not self.mode:
            return False
        self.mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        self.mode = None
        return True

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Keep errors of the recording away from the user's program."""
        try:
            with torch._C.DisableTorchFunction():
                yield
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.failures.append(f"{type(error).__name__}: {error}")
