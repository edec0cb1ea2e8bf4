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

from handgrad.checker.record.arrays.hooks import ArrayHooks
from handgrad.checker.record.asking import GRAD, SEEDS, asked, gradients_of
from handgrad.checker.record.call import Call
from handgrad.checker.record.calls import Calls
from handgrad.checker.record.carriers import tensor_of
from handgrad.checker.record.effects import (
    ENDS,
    FROM_LISTS,
    HOOKS,
    OWN_GRAD,
    PEEKS,
    RANDOM,
    SET_DATA,
    rng_state,
    targets_of,
)
from handgrad.checker.record.evaluations import is_spent
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.loop_hooks import STOPPED, LoopHooks
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

EVENT_BYTES = 1024
"""The memory of an event without its tensors: millions of small ones fill the memory too."""


class Recorder(ArrayHooks, LoopHooks):
    """Fills a Trace. Instrumented code calls `after`, `entered`, `tick` and the other hooks."""

    def __init__(self, statements: list[Statement], max_steps: int | None = None) -> None:
        ArrayHooks.__init__(self)
        LoopHooks.__init__(self, max_steps)
        self.trace = Trace()
        self.statements = statements
        self.paused_by: int | None = None
        self.failures: list[str] = []
        """Errors of the recording itself; they never reach the user's code."""
        self.room: int | None = None
        """How many bytes of new tensors may still be recorded; None for no limit."""
        self.reached: set[int] = set()
        """The statements that ran while recording."""
        self._names = Names(self.trace)
        self.calls = Calls(self.trace, self._names, statements)

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Record what runs inside."""
        self._enter()
        try:
            with self.following_arrays():
                yield
        finally:
            self._names.written.clear()
            self.paused_by = None
            self._loops.clear()
            self._leave()

    def called(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run one torch function for the user, and record it."""
        if self.paused_by is not None:
            return func(*args, **kwargs)
        if func in PEEKS:
            if func in ENDS:
                self.trace.lineage.peeked(args)
            elif func in HOOKS:
                self.trace.lineage.hooked = True
            return func(*args, **kwargs)
        if func in SEEDS:
            self.ask(*asked(func, args, kwargs))  # before the user's own call
            result = func(*args, **kwargs)
            if func == GRAD:
                self.trace.lineage.got(kwargs["inputs"] if len(args) < 2 else args[1], result)
            return result
        if func in FROM_LISTS:  # a constant, from lists that are too long to search
            return self._note(func, (), {}, func(*args, **kwargs), ())
        try:
            inputs = (*tensors_in(args), *tensors_in(kwargs))
            name = getattr(func, "__name__", "")
            for value in inputs:
                self._names.see(value)
            self.trace.before_write(targets_of(name, args, kwargs))
            if func == SET_DATA and key_of(args[0]) != key_of(args[1]):
                self.trace.renew(args[0])
            rng = rng_state(inputs[0].device) if name in RANDOM and inputs else None
        except Exception as error:  # a tensor without storage: sparse, or under vmap
            self.failed(error)
            return func(*args, **kwargs)
        return self._note(func, args, kwargs, func(*args, **kwargs), inputs, rng)

    def _note(self, func: Any, args: Any, kwargs: Any, result: Any, *seen: Any) -> Any:
        """Record what `func` returned, and return it even if recording fails."""
        try:
            self._add(func, args, kwargs, result, *seen)
        except Exception as error:
            self.failed(error)
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
        if func == OWN_GRAD and isinstance(result, Tensor) and not self._names.is_as_seen(result):
            self.trace.lineage.got(args[0], result)
        self.trace.lineage.ran(inputs, outputs)
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
            self.reached.add(number)
            self.calls.mark(self.statements[number])
            self.ran(sys._getframe(1), number, *values)

    def ran(self, frame: FrameType, number: int, *values: Any) -> None:
        """Record that statement `number` has run in `frame` and set its targets to `values`."""
        values = tuple(map(tensor_of, values))
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
                value = tensor_of(value)
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
                call = self.calls.returned(frame, self._scope(frame, number), statement, value)
                if call is not None and is_spent(self.trace, call, frame.f_code):
                    self._forget(call)
        return value

    def _forget(self, call: Call) -> None:
        """Forget a call that has just ended, with all that happened since it began."""
        calls = [known for known in self.trace.calls if known.begin < call.begin]
        for gone in self.trace.calls[len(calls) :]:  # a cycle: the tensors are to be freed now
            gone.returned.clear()
            gone.given.clear()
        self.keep(self.trace.events[: call.begin])
        self.trace.calls = calls
        self.calls.last_return = None

    def _listens(self) -> bool:
        recording = self.paused_by is None and self.mode is not None
        return recording and not torch.compiler.is_compiling()

    def compared(self, number: int, *values: Any) -> None:
        """Hook: statement `number` is about to compare two values under a label."""
        values = tuple(map(tensor_of, values))
        if self._listens() and all(isinstance(v, Tensor) for v in values):
            said = self.statements[number]
            event = Compared(len(self.trace), said.label or "", values, (), said)
            self.trace.events.append(event)

    def _barrier(
        self, reason: str, at: Statement | None = None, last: bool = False, begin: int = 0
    ) -> None:
        self.trace.keep_all()
        self.trace.events.append(Barrier(len(self.trace), reason, at, last, begin))
        self._names.clear()

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Keep errors of the recording away from the user's program."""
        try:
            with torch._C.DisableTorchFunction():
                yield
        except Exception as error:
            self.failed(error)

    def failed(self, error: Exception) -> None:
        """Note an error of the recording itself."""
        self.failures.append(f"{type(error).__name__}: {error}")
