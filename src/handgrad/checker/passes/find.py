"""Forward passes: each loss, the operations that lead to it, its nodes and their true gradients."""

from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from handgrad.checker.passes.noise import noise_of
from handgrad.checker.passes.replay import Replay, gradients
from handgrad.checker.record.trace import (
    Backward,
    Bind,
    Event,
    Op,
    Trace,
    is_leaf,
    key_of,
    needed,
)
from handgrad.errors import CheckError

_CUSTOM: type = torch.autograd.function.BackwardCFunction


@dataclass
class Pass:
    """One loss and what leads to it. Dicts are by the index of the node's Bind."""

    trace: Trace
    outputs: tuple[Tensor, ...]
    seeds: tuple[Tensor | None, ...]
    end: int
    """The index of the event that made the loss."""
    backward: Backward | None
    leaves: set[int]
    events: list[Event] = field(default_factory=list)
    start: int = 0
    eps: float = 0.0
    truth: dict[int, Tensor] = field(default_factory=dict)
    parts: dict[int, list[tuple[Op, Tensor]]] = field(default_factory=dict)
    """What each use of a node sends back; their sum is the truth."""
    noise: dict[int, Tensor] = field(default_factory=dict)
    autograd: dict[int, Tensor] = field(default_factory=dict)
    _nodes: list[Bind] | None = None
    _writes: dict[int, list[int]] | None = None

    def nodes(self) -> list[Bind]:
        """Return the named tensors that the loss depends on, in program order."""
        if self._nodes is None:
            made = {id(t) for e in self.events if type(e) is Op for t in e.outputs}
            binds = [b for b in self.events if type(b) is Bind and b.value.is_floating_point()]
            self._nodes = [
                b for b in binds if id(b.value) in made or key_of(b.value) in self.leaves
            ]
        return self._nodes

    def writes_before(self, bind: Bind) -> int:
        """Return how often the forward pass had written to the value when it got this name."""
        if self._writes is None:
            self._writes = {}
            for event in self.events:
                for key in {key_of(t) for t in event.writes} if type(event) is Op else ():
                    self._writes.setdefault(key, []).append(event.index)
        return bisect(self._writes.get(key_of(bind.value), []), bind.index)

    def name_of(self, number: int) -> str:
        """Return the name of the node whose tensor has this id."""
        return next(b.name for b in self.nodes() if id(b.value) == number and b.kind != "param")

    def differentiate(self) -> None:
        """Fill truth, parts, noise and, where backward() was never called, autograd.

        Raises RuntimeError where an operation on the way to the loss cannot be run again.
        """
        custom = _custom_function(self.outputs)
        if custom is not None:
            raise RuntimeError(
                f"{custom} is a torch.autograd.Function, whose steps autograd does not see; write "
                "its two halves as functions for handgrad.check(forward, backward, inputs)"
            )
        replay = self.replayed()
        if replay.failures:
            index, why = next(iter(replay.failures.items()))
            name = next(e.func.__name__ for e in self.events if type(e) is Op and e.index == index)
            raise RuntimeError(f"{name}: {why}")
        self.truth, self.parts = gradients(replay, self.outputs, self.seeds, self.end)
        order = list(self.truth)
        noise = noise_of(partial(self._moved, order), [self.truth[i] for i in order], self.eps)
        self.noise = {i: n for i, n in zip(order, noise, strict=True) if n is not None}
        if self.backward is not None:
            self.autograd = self.backward.gradients
        else:
            own = self.replayed(dtype=None)
            self.autograd, _ = gradients(own, self.outputs, self.seeds, self.end)

    def replayed(
        self,
        dtype: torch.dtype | None = torch.float64,
        move: Callable[[Tensor], Tensor] | None = None,
    ) -> Replay:
        """Run the forward pass again, gradients on."""
        always = self.backward is None
        replay = Replay(
            self.trace,
            self.leaves,
            dtype,
            grad=True,
            always_grad=always,
            move=move,
            start=self.start,
        )
        replay.run(self.events)
        return replay

    def _moved(self, order: Sequence[int], move: Callable[[Tensor], Tensor]) -> list[Tensor | None]:
        found, _ = gradients(self.replayed(move=move), self.outputs, self.seeds, self.end)
        return [found.get(i) for i in order]


def find_passes(trace: Trace, hands: Mapping[str, str]) -> list[Pass]:
    """Return a Pass for each loss that backward() was called on, then for others named as losses.

    `hands` are the gradients that the file writes itself, each with its node, which is a leaf where
    no tensor requires a gradient.
    """
    found: dict[tuple[int, ...], Pass] = {}
    for event in trace.of(Backward):
        key = tuple(id(t) for t in event.outputs)
        if key not in found and event.gradients:
            made = make_pass(trace, event.outputs, event.seeds, event, hands)
            if made is not None:
                found[key] = made
    for bind in trace.of(Bind):
        if (id(bind.value),) not in found and _is_loss(bind):
            made = make_pass(trace, (bind.value,), (None,), None, hands)
            if made is not None:
                found[(id(bind.value),)] = made
    if not found:
        found = {(id(p.outputs[0]),): p for p in _unnamed(trace, hands)}
    return sorted(found.values(), key=lambda p: p.end)


def _unnamed(trace: Trace, hands: Mapping[str, str]) -> list[Pass]:
    """Return the one pass to a single number, whatever its name: where no loss is named so.

    Raises CheckError where there are several that no other is computed from.
    """
    binds = {id(b.value): b for b in trace.of(Bind) if _is_number(b) and b.kind != "param"}
    made = {i: make_pass(trace, (b.value,), (None,), None, hands) for i, b in binds.items()}
    passes = {i: p for i, p in made.items() if p is not None}
    inner = {id(t) for i, p in passes.items() for e in p.events if type(e) is Op
             for t in e.inputs if id(t) != i}  # fmt: skip
    last = {i: p for i, p in passes.items() if i not in inner}
    if len(last) > 1:
        names = [f"{binds[i].name} (line {binds[i].statement.place.line})" for i in last]
        raise CheckError(
            f"several candidates for the loss: {', '.join(names)}; call backward() on the one, or "
            f"name it loss"
        )
    return list(last.values())


def make_pass(
    trace: Trace,
    outputs: tuple[Tensor, ...],
    seeds: tuple[Tensor | None, ...],
    backward: Backward | None,
    hands: Mapping[str, str],
) -> Pass | None:
    """Return the pass that leads to `outputs`, or None where nothing recorded does."""
    limit = backward.index if backward is not None else len(trace)
    wanted = {id(t) for t in outputs}
    makers = [
        e.index
        for e in trace.events[:limit]
        if type(e) is Op and any(id(t) in wanted for t in e.outputs)
    ]
    if not makers:
        return None
    end = makers[-1]
    history = trace.events[_after_barrier(trace, end) : end + 1]
    leaves = _leaves(history, outputs, hands)
    ops = needed(history, outputs, leaves)
    live = _live(ops, leaves)
    if not live:
        return None
    start = live[0].index
    floats = {t.dtype for op in live for t in op.outputs if t.is_floating_point()}
    eps = max((torch.finfo(d).eps for d in floats), default=torch.finfo(torch.float32).eps)
    last = backward.index if backward is not None else end + 1
    events: list[Event] = [e for e in trace.events[:last] if type(e) is Bind]
    events += [op for op in ops if op.index >= start]
    events.sort(key=lambda e: e.index)
    return Pass(trace, outputs, seeds, end, backward, leaves, events, start, eps)


def _is_loss(bind: Bind) -> bool:
    return _is_number(bind) and bind.kind != "param" and "loss" in bind.name.lower()


def _is_number(bind: Bind) -> bool:
    return bind.value.dim() == 0 and bind.value.is_floating_point()


def _after_barrier(trace: Trace, index: int) -> int:
    barriers = [e.index for e in trace.events[:index] if type(e).__name__ == "Barrier"]
    return barriers[-1] if barriers else 0


def _leaves(
    history: Sequence[Event], outputs: Sequence[Tensor], hands: Mapping[str, str]
) -> set[int]:
    """Return the storages to differentiate by: they require a gradient, or have one by hand."""
    leaves = {
        key_of(t)
        for e in history
        if type(e) is Op
        for t in e.inputs
        if t.requires_grad and is_leaf(t) and t.is_floating_point()
    }
    nodes, given = set(hands.values()), [e for e in history if type(e) is Bind]
    named = [b for b in given if b.name in nodes]
    if leaves:
        return leaves | {key_of(b.value) for b in named if not _computed(history, b, leaves)}
    own = {key_of(b.value) for b in named}
    steps, first = {key_of(b.value) for b in given if b.name in hands}, set[str]()
    for bind in named:
        key = key_of(bind.value)
        stepped = bind.name in first and _computed(history, bind, steps - {key}, own - {key})
        if stepped or not _computed(history, bind, own - {key}):
            leaves.add(key)  # `w = w - lr * dw` is a parameter as much as the first w is
        first.add(bind.name)
    return leaves


def _computed(
    history: Sequence[Event], bind: Bind, leaves: set[int], stops: set[int] | None = None
) -> bool:
    """Tell whether the value comes from any of the leaves, by a way without any of `stops`."""
    if bind.value.requires_grad or not bind.value.is_floating_point():
        return True
    before = [e for e in history if e.index < bind.index]
    ops = needed(before, [bind.value], stops or set())
    return any(key_of(t) in leaves for op in ops for t in op.inputs)


def _live(ops: Sequence[Op], leaves: set[int]) -> list[Op]:
    """Return the operations that depend on the leaves."""
    live, chosen = set(leaves), []
    for op in ops:
        if any(key_of(t) in live for t in op.inputs):
            chosen.append(op)
            live.update(key_of(t) for t in op.outputs)
    return chosen


def _custom_function(outputs: Sequence[Tensor]) -> str | None:
    """Return the name of a user's autograd.Function on the way to `outputs`, if there is one.

    Its forward runs without gradients, so a replay would lack its branch and blame right lines.
    """
    todo = [t.grad_fn for t in outputs if t.grad_fn is not None]
    seen = set(todo)
    while todo:
        step = todo.pop()
        if isinstance(step, _CUSTOM):
            return type(step).__name__.removesuffix("Backward")
        new = {fn for fn, _ in step.next_functions if fn is not None} - seen
        seen |= new
        todo += new
    return None
