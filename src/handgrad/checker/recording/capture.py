"""The recorder: sees every torch function and every named statement while the user's file runs.

It changes nothing that the user can see: the same functions run on the same tensors in the same
order, no random number is drawn, and autograd's own gradients are taken by asking the graph a
first time, just before the user's backward() walks it.
"""

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.overrides import TorchFunctionMode

from handgrad.checker.recording.effects import named_in, rng_state, targets_of, version_of
from handgrad.checker.recording.instrument import Kind, Statement
from handgrad.checker.recording.loops import LoopWatch
from handgrad.checker.recording.scope import Scope, Scopes
from handgrad.checker.recording.trace import (
    Backward,
    Barrier,
    Bind,
    Compared,
    Event,
    Op,
    Trace,
    is_leaf,
    key_of,
    tensors_in,
)

_BACKWARD = (Tensor.backward, torch.autograd.backward)
_RANDOM = ("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout", "dropout1d",
           "dropout2d", "dropout3d")  # fmt: skip
_LOOKED_AT = ("shape", "dtype", "device", "ndim", "requires_grad", "is_leaf", "grad_fn", "layout")
_PEEKS = {getattr(Tensor, name).__get__ for name in _LOOKED_AT} | {
    Tensor.size, Tensor.dim, Tensor.numel, Tensor.nelement, Tensor.__len__, Tensor.item,
    Tensor.tolist, Tensor.__repr__, Tensor.__format__, Tensor.__float__, Tensor.__bool__,
    Tensor.__int__, Tensor.__index__, Tensor.stride, Tensor.is_contiguous, Tensor.retain_grad,
    Tensor.is_floating_point, Tensor.data_ptr, Tensor.numpy, Tensor.__array__,
}  # fmt: skip
"""Functions that give no tensor and write to none."""
_FROM_LISTS = {torch.tensor, torch.as_tensor, torch.asarray}
_HOLDERS = (Tensor, tuple, dict, list)
STOPPED = -1
"""In the place of the loop that paused the recording: nothing takes it up again."""
EVENT_BYTES = 1024
"""What an event takes beside its tensors: millions of small ones fill the memory too."""


class _Mode(TorchFunctionMode):
    def __init__(self, recorder: "Recorder") -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return self.recorder.called(func, tuple(args), kwargs or {})


class Enough(BaseException):
    """Leaves the user's file: what was wanted of it has been recorded."""


class Recorder:
    """Fills a Trace. Instrumented code calls `after`, `compared`, `tick` and `end`."""

    def __init__(self, statements: list[Statement], max_steps: int | None = None) -> None:
        self.trace = Trace()
        self.statements = statements
        self.limit = 2 if max_steps is None else max(1, max_steps)
        self.mode: _Mode | None = None
        self.paused_by: int | None = None
        self.failures: list[str] = []
        """What of the recording itself went wrong; it never reaches the user's code."""
        self.room: int | None = None
        """So many bytes of new tensors are still recorded, then nothing more until the end; None
        for no limit."""
        self.stops = False
        """Whether the file is to be left once a training loop has been recorded for its steps."""
        self.enough = False
        """Whether it was."""
        self._named: dict[int, dict[str, Bind]] = {}
        self._versions: dict[int, int] = {}
        self._written: dict[int, None] = {}
        self._loops: dict[int, LoopWatch] = {}
        self._scopes = Scopes()
        self.returned: tuple[Statement, Scope] | None = None
        """The last return statement that was to tell, and what names stood for there."""

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Record what runs inside."""
        self._enter()
        try:
            yield
        finally:
            self._written.clear()
            self.paused_by = None
            self._loops.clear()
            self._leave()

    def called(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run one torch function for the user, and note it."""
        if self.paused_by is not None or func in _PEEKS:
            return func(*args, **kwargs)
        if func in _BACKWARD or func is torch.autograd.grad:
            self._backward(func, args, kwargs)
            return func(*args, **kwargs)
        if func in _FROM_LISTS:  # a constant, made of lists too long to be searched
            return self._note(func, (), {}, func(*args, **kwargs), ())
        try:
            inputs = (*tensors_in(args), *tensors_in(kwargs))
            name = getattr(func, "__name__", "")
            for value in inputs:
                self._see(value)
            self.trace.before_write(targets_of(name, args, kwargs))
            rng = rng_state(inputs[0].device) if name in _RANDOM and inputs else None
        except Exception as error:  # a tensor without memory of its own: sparse, under vmap
            self._failed(error)
            return func(*args, **kwargs)
        return self._note(func, args, kwargs, func(*args, **kwargs), inputs, rng)

    def _note(self, func: Any, args: Any, kwargs: Any, result: Any, *seen: Any) -> Any:
        """Note what `func` has given, and return it, whatever becomes of the note."""
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
        writes = tuple(t for t in inputs if self._versions.get(key_of(t)) != version_of(t))
        outputs = (*tensors_in(result), *writes)
        if not outputs and getattr(func, "__name__", "") != "__set__":
            return
        keys = [key_of(value) for value in outputs]  # raises before anything is noted
        index, enabled = len(self.trace), torch.is_grad_enabled()
        op = Op(index, func, args, kwargs, result, inputs, outputs, writes, enabled, rng)
        self.trace.events.append(op)
        for key, value in zip(keys, outputs, strict=True):
            if key not in self._versions:
                self._see(value)
                self._take_room(value)
            elif self._versions[key] != version_of(value):
                self._versions[key] = version_of(value)
                self._written[key] = None

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
        """Between two recordings: if one of these was written to, what stood before is unsure."""
        if any(self._versions.get(key_of(v), version_of(v)) != version_of(v) for v in values):
            self._barrier("written to where nothing was watched")

    def keep(self, events: Sequence[Event]) -> None:
        """Forget everything but these events of the trace."""
        spoken = self.trace.keep(events)
        binds = {id(event) for event in events}
        self._versions = {key: v for key, v in self._versions.items() if key in spoken}
        named = {
            key: {name: bind for name, bind in others.items() if id(bind) in binds}
            for key, others in self._named.items()
            if key in spoken
        }
        self._named = {key: others for key, others in named.items() if others}
        self._scopes = Scopes()

    def _see(self, value: Tensor) -> None:
        self._versions.setdefault(key_of(value), version_of(value))
        self.trace.pin(value)

    def _backward(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Ask autograd for the gradient of every name first; the user's own call comes after."""
        given = dict(zip(("tensors", "grad_tensors"), args, strict=False))
        outputs = given.get("tensors", kwargs.get("tensors", kwargs.get("outputs")))
        seeds = given.get("grad_tensors", kwargs.get("grad_tensors"))
        if func is torch.autograd.grad:
            seeds = args[2] if len(args) > 2 else kwargs.get("grad_outputs")
        elif func is Tensor.backward:
            seeds = given.get("grad_tensors", kwargs.get("gradient"))
        losses = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs or ())
        grads = (seeds,) if isinstance(seeds, Tensor) else tuple(seeds or (None,) * len(losses))
        self.ask(losses, grads)

    def ask(self, losses: tuple[Tensor, ...], seeds: tuple[Tensor | None, ...]) -> None:
        """Note a backward pass from `losses`, and take autograd's gradient of every name."""
        event = Backward(len(self.trace), losses, seeds)
        self.trace.events.append(event)
        with self._guarded():
            self._fill(event)

    def _fill(self, event: Backward) -> None:
        binds = self._live_binds()
        retained = [b.value for b in binds if b.value.retains_grad]
        before = [t.grad for t in retained]
        gradients = torch.autograd.grad(
            event.outputs,
            [b.edge for b in binds],
            grad_outputs=event.seeds,
            retain_graph=True,
            allow_unused=True,
        )
        for tensor, grad in zip(retained, before, strict=True):
            tensor.grad = grad  # retain_grad answers to this call too
        found = zip(binds, gradients, strict=True)
        event.gradients = {b.index: g for b, g in found if g is not None}

    def _live_binds(self) -> list[Bind]:
        """Return the names in a graph: since the last pause, and the leaves before it."""
        binds: list[Bind] = []
        for event in self.trace.events:
            if type(event) is Barrier:
                binds = [b for b in binds if is_leaf(b.value)]
            elif type(event) is Bind:
                if is_leaf(event.value) and event.value.requires_grad:  # set after it was named
                    event.edge = _edge_of(event.value)
                binds.append(event)
        return [b for b in binds if b.edge is not None]

    def after(self, number: int, *values: Any) -> None:
        """Hook: statement `number` has run, and its targets read `values`."""
        if self.paused_by is None and not torch.compiler.is_compiling():
            self.ran(sys._getframe(1), number, *values)

    def ran(self, frame: FrameType, number: int, *values: Any) -> None:
        """Note that statement `number` has run in `frame`, and its targets read `values`."""
        if self.paused_by is not None or self.mode is None:
            return
        if not self._written:  # most statements of most files have nothing to do with tensors
            for value in values:
                if isinstance(value, _HOLDERS):
                    break
            else:
                return
        with self._guarded():
            statement = self.statements[number]
            named: list[tuple[str, Kind, Tensor]] = []
            for target, value in zip(statement.targets, values, strict=True):
                named += named_in(target.name, target.kind, target.keyed, value)
            scope = self._scope(frame, number) if named or self._written else None
            self._changed(statement, named, scope)

    def known(
        self, statement: Statement, names: Mapping[str, Any], scope: Scope | None = None
    ) -> None:
        """Note the tensors that have names without an assignment: before the recording begins."""
        with self._guarded():
            for name, value in names.items():
                if isinstance(value, Tensor):
                    self._bind(name, "assign", value, statement, scope)

    def returning(self, number: int) -> None:
        """Hook: a function is about to return what statement `number` says."""
        self.returned = self.statements[number], self._scope(sys._getframe(1), number)

    def compared(self, number: int, *values: Any) -> None:
        """Hook: statement `number` is about to compare two values under a label."""
        if self.paused_by is not None or self.mode is None:
            return
        if all(isinstance(v, Tensor) for v in values):
            statement = self.statements[number]
            event = Compared(len(self.trace), statement.label or "", values, (), statement)
            self.trace.events.append(event)

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
            watch = self._loops[number] = self._begun(sys._getframe(1), number)
        if watch.tick(self.trace, self.limit):
            self._leave()  # where it cannot, what is called passes through unrecorded
            self._barrier(f"after {watch.steps} steps", self.statements[number])
            self.paused_by = number
            if self.stops and watch.steps >= self.limit:
                self.enough = True
                raise Enough

    def _begun(self, frame: FrameType, number: int) -> LoopWatch:
        statement = self.statements[number]
        scope = self._scopes.of(frame, number, statement.text)
        return LoopWatch(len(self.trace), statement.place.line, id(frame), scope)

    def _scope(self, frame: FrameType, number: int) -> Scope:
        scope = self._scopes.of(frame, number, self.statements[number].text)
        own = id(frame)
        scope.loops = {w.line: w.scope for w in self._loops.values() if w.frame == own}
        return scope

    def end(self, number: int) -> None:
        """Hook: loop `number` is over."""
        if torch.compiler.is_compiling():
            return
        self._loops.pop(number, None)
        if self.paused_by == number:
            self.paused_by = None
            if self.mode is None:
                self._enter()

    def _barrier(self, reason: str, statement: Statement | None = None) -> None:
        self.trace.keep_all()
        self.trace.events.append(Barrier(len(self.trace), reason, statement))
        self._versions.clear()
        self._written.clear()
        self._named.clear()

    def _changed(
        self,
        statement: Statement,
        named: Sequence[tuple[str, Kind, Tensor]],
        scope: Scope | None,
    ) -> None:
        """Note the names that a statement set, and those whose memory it wrote through others."""
        own = {name for name, _, _ in named}
        for key in self._written:
            for bind in list(self._named.get(key, {}).values()):
                if bind.name not in own:
                    self._bind(bind.name, "update", bind.value, statement, scope, alias=True)
        self._written.clear()
        for name, kind, value in named:
            self._bind(name, kind, value, statement, scope)

    def _bind(
        self,
        name: str,
        kind: Kind,
        value: Tensor,
        statement: Statement,
        scope: Scope | None = None,
        alias: bool = False,
    ) -> None:
        if kind == "assign" and "[" in name and self._named.get(key_of(value)):
            kind = "param"  # an element of a collection of tensors that have names already
        for others in self._named.values():
            if kind != "param" or others is not self._named.get(key_of(value)):
                others.pop(name, None)
        if key_of(value) not in self._versions:
            self._versions[key_of(value)] = version_of(value)
        edge = _edge_of(value)
        bind = Bind(len(self.trace), name, value, kind, statement, edge, alias, scope)
        self.trace.events.append(bind)
        self.trace.pin(value)
        if kind != "param":  # another's name for it, gone when the loop or function is
            self._named.setdefault(key_of(value), {})[name] = bind

    def _enter(self) -> None:
        self.mode = _Mode(self)
        self.mode.__enter__()  # type: ignore[no-untyped-call]

    def _leave(self) -> bool:
        """Leave the mode, unless the user has entered another on top of it."""
        if self.mode is None or _top_mode() is not self.mode:
            return False
        self.mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        self.mode = None
        return True

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Keep what goes wrong in the recording away from the user's program."""
        try:
            with torch._C.DisableTorchFunction():
                yield
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.failures.append(f"{type(error).__name__}: {error}")


def _edge_of(value: Tensor) -> GradientEdge | None:
    """Return where the value's gradient arrives; None for a leaf's view made under no_grad, which
    says that it requires one and has no place for it."""
    try:
        return get_gradient_edge(value) if value.requires_grad else None
    except AssertionError:
        return None


def _top_mode() -> object:
    return torch.overrides._get_current_function_mode()  # type: ignore[no-untyped-call]
