"""A forward pass as values and the operations between them.

A value is the state of a tensor between two writes: `x += 1` makes a new value. A value is live if
differentiable operations lead to it from the leaves, so that it has a gradient.
"""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, Op, key_of, tensors_in
from handgrad.checker.write.rules.rule import canonical

NO_GRADIENT = {"detach", "grad", "item", "argmax", "argmin", "one_hot", "zeros_like", "ones_like",
               "full_like", "empty_like", "rand_like", "randn_like", "new_zeros", "new_ones",
               "new_full", "new_empty", "bernoulli", "multinomial", "requires_grad", "retain_grad",
               "set"}  # fmt: skip


@dataclass(eq=False)
class Value:
    """One state of one tensor."""

    tensor: Tensor
    at: int
    """The index of the first event at which it holds: the one after its operation."""
    op: Op | None = None
    live: bool = False
    binds: list[Bind] = field(default_factory=list)
    until: int | None = None
    """The index of the event that overwrote it, if any."""
    aliased_write: bool = False
    """Whether it was written through another tensor of the same memory: no operation gives it."""

    @property
    def bind(self) -> Bind | None:
        """The first assignment of the value to a name, if any. Parameter names do not count."""
        return next((b for b in self.binds if b.kind != "param"), None)


class Graph:
    """The values of one pass. Operations are keys by their index, values by their id."""

    def __init__(self, forward: ForwardPass) -> None:
        self.forward = forward
        self.ops: list[Op] = []
        self.reads: dict[int, dict[int, Value]] = {}
        """For each operation, the values of its tensor arguments by the id of the tensor."""
        self.results: dict[int, list[Value]] = {}
        self.users: dict[int, list[Op]] = {}
        """The operations that read a value, by the id of the value."""
        self.counts: dict[int, int] = {}
        """The number of times that a value is read: x * x reads x twice."""
        self.values: list[Value] = []
        self.current: dict[int, Value] = {}
        for event in forward.events:
            if event.index > forward.end:
                break
            if type(event) is Op:
                self._add(event)
            elif type(event) is Bind:
                self._name(event)
        self._name_outputs()

    def of(self, bind: Bind) -> Value | None:
        """Return the value that a node names."""
        return next((v for v in self.values if any(b is bind for b in v.binds)), None)

    def output(self) -> Value:
        """Return the loss."""
        return self.current[id(self.forward.outputs[0])]

    def producer(self, value: Value) -> Op | None:
        """Return the operation that made a value, also for a constant from before the pass."""
        if value.op is not None or value.live:
            return value.op
        return self._earlier.get(id(value.tensor))

    def statement(self, op: Op) -> Statement | None:
        """Return the statement that ran an operation: that of the next assignment."""
        return self._statements.get(op.index)

    @cached_property
    def _history(self) -> list[Op]:
        """All operations up to the end of the pass, those before it included."""
        events = self.forward.trace.events[: self.forward.end + 1]
        return [event for event in events if type(event) is Op]

    @cached_property
    def _earlier(self) -> dict[int, Op]:
        return {id(t): op for op in self._history for t in op.outputs}

    @cached_property
    def _statements(self) -> dict[int, Statement]:
        statements: dict[int, Statement] = {}
        following: Statement | None = None
        for event in reversed(self.forward.trace.events):
            if type(event) is Bind and event.kind != "param":
                following = event.statement
            elif type(event) is Op and following is not None:
                statements[event.index] = following
        return statements

    def read(self, op: Op, tensor: Tensor) -> Value:
        """Return the value of an argument when the operation read it."""
        return self.reads[op.index][id(tensor)]

    def _value(self, tensor: Tensor, at: int) -> Value:
        current = self.current.get(id(tensor))
        return current or self._new(tensor, at, live=self._is_leaf(tensor))

    def _is_leaf(self, tensor: Tensor) -> bool:
        """Tell whether a tensor is a leaf. A detached one shares a leaf's memory but is none."""
        key = key_of(tensor)
        if key not in self.forward.leaves or not tensor.is_floating_point():
            return False
        return tensor.requires_grad or key not in self._graded

    @cached_property
    def _graded(self) -> set[int]:
        inputs = (t for op in self._history for t in op.inputs)
        return {key_of(t) for t in inputs if t.requires_grad and t.is_leaf}

    def _new(self, tensor: Tensor, at: int, **settings: object) -> Value:
        value = Value(tensor, at, **settings)  # type: ignore[arg-type]
        self.current[id(tensor)] = value
        self.values.append(value)
        return value

    def _add(self, op: Op) -> None:
        self.ops.append(op)
        read = {id(t): self._value(t, op.index) for t in op.inputs}
        self.reads[op.index] = read
        for value in read.values():
            self.users.setdefault(id(value), []).append(op)
            reads = sum(t is value.tensor for t in op.inputs)
            self.counts[id(value)] = self.counts.get(id(value), 0) + reads
        name = canonical(op.func)[0]
        graded = op.grad_enabled or self.forward.backward is None
        through = graded and name not in NO_GRADIENT and any(v.live for v in read.values())
        written = {id(t) for t in op.writes}
        results = [self._overwrite(tensor, op, through) for tensor in op.writes]
        created = [t for t in tensors_in(op.result) if id(t) not in read and id(t) not in written]
        for tensor in created:
            live = through and (tensor.is_floating_point() or tensor.is_complex())
            results.append(self._new(tensor, op.index + 1, op=op, live=live))
        self.results[op.index] = results

    def _overwrite(self, tensor: Tensor, op: Op, through: bool) -> Value:
        key = key_of(tensor)
        for other in list(self.current.values()):
            if key_of(other.tensor) == key:
                other.until = op.index if other.until is None else other.until
                if other.tensor is not tensor:
                    live = other.live or through
                    self._new(other.tensor, op.index + 1, live=live, aliased_write=True)
        return self._new(tensor, op.index + 1, op=op, live=through and tensor.is_floating_point())

    def _name_outputs(self) -> None:
        """Add the name of the loss, which is assigned after the pass has ended."""
        for event in self.forward.trace.events[self.forward.end + 1 :]:
            if type(event) is Op and event.writes:
                break
            if type(event) is Bind and any(event.value is t for t in self.forward.outputs):
                self._name(event)
                break

    def _name(self, bind: Bind) -> None:
        self._value(bind.value, bind.index).binds.append(bind)


def zeros_as(tensor: Tensor) -> Tensor:
    """Return contiguous zeros of a tensor's shape, dtype and device."""
    return torch.zeros(tensor.shape, dtype=tensor.dtype, device=tensor.device)
