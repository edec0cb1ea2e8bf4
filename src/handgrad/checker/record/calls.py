"""The calls that run now, by their frames, and those recorded so far."""

import inspect
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from types import CodeType, FrameType, FunctionType
from typing import Any

from torch import Tensor
from torch.autograd.function import FunctionCtx

from handgrad.checker.record.call import MANY, PLAIN, Call, Unnamed, holders_in
from handgrad.checker.record.carriers import tensor_of
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.names import Names
from handgrad.checker.record.scope import Scope
from handgrad.checker.record.targets import Kind
from handgrad.checker.record.trace import Op, Trace, key_of, tensors_in
from handgrad.checker.record.updates import ends_in_sum, update_of

MOST_HOLDERS = 10_000
"""So many caches are remembered with the call that returned them."""


class Calls:
    """Adds the calls of the user's functions to a trace, and the unnamed tensors passed by them."""

    def __init__(self, trace: Trace, names: Names, statements: Sequence[Statement]) -> None:
        self._trace, self._names, self._statements = trace, names, statements
        self._running: dict[int, tuple[CodeType, Call]] = {}
        self._makers: dict[int, tuple[Any, Call]] = {}
        """By the id of what a call returned: it, to keep it alive, and the call."""
        self._closures: dict[CodeType, list[tuple[Mapping[str, Any], Call]]] = {}
        """By the code of a function that a call returned: what it closes over, and the call."""
        self.last_return: tuple[Statement, Scope] | None = None
        self._marked = 0
        """The operations before this event know their statement."""

    def entered(self, frame: FrameType, definition: Statement) -> None:
        """Note that a function begins to run in `frame`."""
        arguments = {name: tensor_of(value) for name, value in _arguments(frame).items()}
        caller = self.of(frame.f_back) if frame.f_back is not None else None
        owner = _owner(frame.f_code, arguments)
        call = Call(definition.function, len(self._trace), arguments, owner, caller)
        passed = [value for value in arguments.values() if value is not owner]
        makers = (self._makers.get(id(holder)) for holder in holders_in(passed))
        call.source = next((maker[1] for maker in makers if maker is not None), None)
        call.source = call.source or self._closed(frame)
        self._running[id(frame)] = frame.f_code, call
        self._trace.calls.append(call)
        passed = [v for v in arguments.values() if isinstance(v, Tensor) and v.is_floating_point()]
        statement = _calling(self._statements, frame.f_back, call) if passed else None
        if statement is not None:
            words = f"{call.function}({{}})"
            for name, value in arguments.items():
                if any(value is v for v in passed):
                    call.given.append(
                        self._unnamed(words.format(name), value, statement, None, caller)
                    )

    def returned(
        self, frame: FrameType, scope: Scope, statement: Statement, value: Any
    ) -> Call | None:
        """Note what the function in `frame` returns; return its call, if that is known."""
        self.last_return = statement, scope
        call = self.of(frame)
        if call is None:
            return None
        parts = tuple(map(tensor_of, value if isinstance(value, tuple) else (value,)))
        for target, part in zip(statement.targets, parts, strict=False):
            if isinstance(part, Tensor) and part.is_floating_point():
                call.returned.append(self._unnamed(target.name, part, statement, scope, call))
            elif isinstance(part, list) and len(part) <= MANY:
                for i, t in enumerate(map(tensor_of, part)):
                    if isinstance(t, Tensor) and t.is_floating_point():
                        name = f"{target.name}[{i}]"
                        call.returned.append(self._unnamed(name, t, statement, scope, call))
        del self._running[id(frame)]
        self._enable(call)
        call.end, call.result = len(self._trace), parts if isinstance(value, tuple) else parts[0]
        for holder in holders_in([value]):
            if holder is not call.owner and len(self._makers) < MOST_HOLDERS:
                self._makers.setdefault(id(holder), (holder, call))
        for part in parts:
            if isinstance(part, FunctionType) and part.__closure__ is not None:
                inner = inspect.getclosurevars(part).nonlocals
                self._closures.setdefault(part.__code__, []).append((inner, call))
        return call

    def _closed(self, frame: FrameType) -> Call | None:
        """Return the call that returned the function which runs in `frame`: `y, back = tanh(x)`."""
        if frame.f_code not in self._closures:
            return None
        known = frame.f_locals
        makers = (
            call
            for inner, call in reversed(self._closures[frame.f_code])
            if all(known.get(name) is value for name, value in inner.items())
        )
        return next(makers, None)

    def _enable(self, call: Call) -> None:
        """Let gradients flow through the operations of an autograd.Function's forward.

        They run without gradients, as the Function has its own backward.
        """
        context = next(iter(call.arguments.values()), None)
        if isinstance(context, FunctionCtx) and any(getattr(context, "needs_input_grad", ())):
            for event in self._trace.events[call.begin :] if call.name == "forward" else ():
                if type(event) is Op:
                    event.grad_enabled = True

    def mark(self, statement: Statement) -> None:
        """Note that the operations since the last statement belong to this one."""
        end = len(self._trace)
        for event in self._trace.events[self._marked :]:
            if type(event) is Op and event.ran_in is None:
                event.ran_in = statement, end
        self._marked = end

    def keep(self, old: Sequence[int], memory: set[int]) -> None:
        """Forget the calls whose memory is gone; `old` are the numbers of the events that stay."""
        kept = []
        for call in self._trace.calls:
            values = (*tensors_in((call.result, call.arguments)), *(u.value for u in call.returned))
            if any(key_of(value) in memory for value in values):
                call.begin = bisect_left(old, call.begin)
                call.end = None if call.end is None else bisect_left(old, call.end)
                kept.append(call)
        self._trace.calls = kept
        for code, known in self._closures.items():
            self._closures[code] = [(inner, call) for inner, call in known if call in kept]
        self._marked = len(self._trace)

    def updated(
        self,
        frame: FrameType,
        scope: Scope | None,
        statement: Statement,
        named: Sequence[tuple[str, Kind, Tensor]],
    ) -> None:
        """Note the update that a statement made, and the gradient in it that has no name."""
        for name, kind, value in named:
            if kind != "update" or not value.is_floating_point() or value.numel() < 2:
                continue
            update = update_of(self._trace, value, statement)
            if update is None or not self._names.calls(update.parameter, name, value):
                continue
            inner = update.levels[-1]
            if not self._names.has(inner) and ends_in_sum(self._trace, inner):
                # the whole step: a line to try in its place computes that
                self._unnamed(f"step of {name}", update.levels[0], statement, scope, self.of(frame))
            update.index = len(self._trace)
            self._trace.events.append(update)

    def _unnamed(
        self,
        name: str,
        value: Tensor,
        statement: Statement,
        scope: Scope | None,
        call: Call | None,
    ) -> Unnamed:
        event = Unnamed(len(self._trace), name, value, statement, scope, call)
        self._trace.events.append(event)
        self._trace.pin(value)
        return event

    def of(self, frame: FrameType) -> Call | None:
        """Return the call that runs in `frame`, None at the top of a file."""
        code, call = self._running.get(id(frame), (None, None))
        return call if code is frame.f_code else None


def _calling(
    statements: Sequence[Statement], frame: FrameType | None, call: Call
) -> Statement | None:
    """Return the statement in `frame` that makes the call, None where it is not known."""
    if frame is None:
        return None
    callee = type(call.owner).__name__ if call.owner is not None else call.name
    words = re.compile(rf"\b({re.escape(call.name)}|{re.escape(callee)})\b|\w\(")
    for statement in reversed(statements):
        first = statement.place.line
        lines = range(first, first + statement.text.count("\n") + 1)
        if frame.f_lineno in lines and words.search(statement.text):
            return statement
    return None


def _arguments(frame: FrameType) -> dict[str, Any]:
    code, names = frame.f_code, frame.f_locals
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return {name: names[name] for name in code.co_varnames[:count] if name in names}


def _owner(code: CodeType, arguments: Mapping[str, Any]) -> Any:
    """Return the first argument if the function is a method of its class."""
    first = next(iter(arguments.values()), None)
    if isinstance(first, PLAIN) or code.co_argcount == 0:
        return None
    try:
        inspect.getattr_static(type(first), code.co_name)
    except AttributeError:
        return None
    return first
