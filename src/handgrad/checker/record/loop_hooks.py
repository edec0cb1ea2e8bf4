"""Hooks of the recorder at the iterations of loops: steps, and when a loop is cut or left."""

import sys
from collections.abc import Callable
from types import FrameType

import torch

from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.loops import LoopWatch
from handgrad.checker.record.mode import ModeHolder
from handgrad.checker.record.scope import Scope, Scopes
from handgrad.checker.record.trace import Trace

STOPPED = -1
"""As `paused_by`: recording is over, and no loop resumes it."""


class Enough(BaseException):
    """Raised to leave the user's file once everything needed is recorded."""


class LoopHooks(ModeHolder):
    """The part of the recorder that instrumented loops call."""

    trace: Trace
    statements: list[Statement]
    paused_by: int | None

    def __init__(self, max_steps: int | None) -> None:
        self.limit = 2 if max_steps is None else max(1, max_steps)
        self.leaves: Callable[[Statement], bool] = lambda loop: False
        """Whether to leave the file at this training loop, recorded for `limit` steps."""
        self.enough = False
        """Whether the file was left."""
        self._loops: dict[int, LoopWatch] = {}
        self._scopes = Scopes()

    def _barrier(
        self, reason: str, at: Statement | None = None, last: bool = False, begin: int = 0
    ) -> None:
        raise NotImplementedError

    def tick(self, number: int) -> None:
        """Hook: an iteration of loop `number` begins."""
        if self.paused_by is not None:
            if self.paused_by == STOPPED:
                self._leave()
            return
        if self.mode is None or torch.compiler.is_compiling():
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
            self.enough = watch.steps >= self.limit and self.leaves(self.statements[number])
            reason = f"after {watch.steps} steps"
            self._barrier(reason, self.statements[number], self.enough, watch.first)
            self.paused_by = STOPPED if self.enough else number
            if self.enough:
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
