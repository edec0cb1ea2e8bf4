"""What happened while the user's file ran: operations and names, in one order.

Memory is versioned: before a write to storage that may be needed later, its bytes are copied, so
that the value of every tensor at every event can be restored.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.record.call import Call, Unnamed, Update
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.lineage import Lineage
from handgrad.checker.record.scope import Scope
from handgrad.checker.record.swap import swap, swapped
from handgrad.checker.record.targets import Kind

KEPT_BYTES = 512 * 2**20
"""The limit on copied memory. A file that writes more in place while it is recorded is judged on
its last values."""
SMALL, MANY, FEW = 2**16, 1024, 64
"""Up to MANY versions are kept of a storage of at most SMALL bytes, FEW of a larger one."""


@dataclass(slots=True)
class Op:
    """One call of a torch function: its arguments, its result, the tensors that it wrote to."""

    index: int
    func: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    result: Any
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    """The tensors in the result, then those written to."""
    writes: tuple[Tensor, ...]
    grad_enabled: bool
    rng: Tensor | None = None
    """The state of the random number generator before a random function of a tensor (dropout)."""
    ran_in: tuple[Statement, int] | None = None
    """The statement that called it, and the first event after that ran: one of its executions."""


@dataclass(slots=True)
class Bind:
    """A name set to a tensor by a statement, or a tensor changed under its name."""

    index: int
    name: str
    value: Tensor
    kind: Kind
    statement: Statement
    edge: Any = None
    """The value's GradientEdge in autograd's graph, if it was part of one."""
    alias: bool = False
    """Whether the statement changed the tensor through another name."""
    scope: Scope | None = None
    """The value of every name after the statement ran; kept for its first and last executions."""
    call: Call | None = None
    """The call that runs the statement; None at the top of a file."""
    home: Call | None = None
    """The call that named the tensor: `self.W` is updated in other calls."""


@dataclass(slots=True)
class Backward:
    """A call of backward() or grad(): the losses, and autograd's own gradient of each name."""

    index: int
    outputs: tuple[Tensor, ...]
    seeds: tuple[Tensor | None, ...]
    gradients: dict[int, Tensor] = field(default_factory=dict)
    """By the index of the Bind."""


@dataclass(slots=True)
class Compared:
    """A call that compares a gradient with a node under a label, such as `cmp("h", dh, h)`."""

    index: int
    label: str
    values: tuple[Tensor, ...]
    names: tuple[str, ...]
    statement: Statement


@dataclass(slots=True)
class Barrier:
    """Recording stopped here and resumed: earlier tensors may have changed meanwhile."""

    index: int
    reason: str
    statement: Statement | None = None
    last: bool = False
    """Whether the file was left here, so that recording did not resume."""
    begin: int = 0  # the first event of the loop that is not recorded to its end


@dataclass(slots=True)
class Step:
    """The end of a loop's iteration that held a whole training step; `begin` is its first event."""

    index: int
    begin: int


@dataclass(slots=True)
class Elsewhere:
    """Stands in the view of one step for an event of another."""

    index: int


Event = Op | Bind | Unnamed | Update | Backward | Compared | Barrier | Step | Elsewhere


class Trace:
    """The events, and the memory behind them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.calls: list[Call] = []
        """The calls of the user's functions, in the order in which they began."""
        self.shapes: dict[str, torch.Size] = {}
        """The shape of the tensor that each name was last bound to."""
        self.overwritten: set[int] = set()
        """The storages that NumPy code wrote to in-place."""
        self.lineage, self.kept_bytes = Lineage(), 0
        self._kept: dict[int, list[tuple[int, torch.UntypedStorage]]] = {}
        self._pinned: dict[int, torch.UntypedStorage] = {}

    def __len__(self) -> int:
        return len(self.events)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if type(event) is kind]

    def without(self, spans: Sequence[range]) -> "Trace":
        """Return a view of the trace without the events in `spans`; the others keep their index."""
        if not any(spans):
            return self
        view = Trace()
        view.events = list(self.events)
        for span in spans:
            view.events[span.start : span.stop] = [Elsewhere(i) for i in span]
        view.calls, view.shapes, view._kept = self.calls, self.shapes, self._kept
        view.overwritten, view.lineage = self.overwritten, self.lineage
        return view

    def pin(self, value: Tensor) -> None:
        """Make sure that the present value of `value` can be restored later."""
        if value.layout is not torch.strided or _is_unbacked(value):
            return
        key, storage = key_of(value), value.untyped_storage()
        # a loop over elements writes once per element, and only its last state is needed
        if len(self._kept.get(key, ())) < (MANY if storage.nbytes() <= SMALL else FEW):
            self._pinned.setdefault(key, storage)

    def before_write(self, values: Iterable[Tensor]) -> None:
        """Copy the bytes that event number len(self) is about to overwrite."""
        for value in values:
            storage = self._pinned.pop(key_of(value), None)
            if storage is not None:
                self._copy(storage)

    def renew(self, value: Tensor) -> None:
        """Let the past refer to the memory that `value` has now: `value.data = ...` comes next."""
        if not is_leaf(value) or value.layout is not torch.strided:
            return
        past = value.detach().requires_grad_(value.requires_grad)
        for event in self.events:
            if any(t is value for t in tensors_of(event)):
                swap(event, value, past)
        for call in self.calls:
            call.arguments = swapped(call.arguments, value, past)
            call.result = swapped(call.result, value, past)

    def keep_all(self) -> None:
        """Copy everything that is pinned: what follows is not recorded."""
        for storage in self._pinned.values():
            self._copy(storage)
        self._pinned.clear()

    def _copy(self, storage: torch.UntypedStorage) -> None:
        if self.kept_bytes + storage.nbytes() <= KEPT_BYTES:
            self.kept_bytes += storage.nbytes()
            copy = storage.clone()  # type: ignore[no-untyped-call]
            self._kept.setdefault(storage._cdata, []).append((len(self), copy))

    def keep(self, events: Sequence[Event]) -> set[int]:
        """Drop all other events, renumber these, and return the memory that they refer to."""
        old = [event.index for event in events]
        number = {index: n for n, index in enumerate(old)}
        memory = {key_of(t) for event in events for t in tensors_of(event)}
        for event in events:
            event.index = number[event.index]
            if type(event) is Backward:
                known = event.gradients.items()
                event.gradients = {number[i]: g for i, g in known if i in number}
            elif isinstance(event, Step | Barrier):
                event.begin = bisect_left(old, event.begin)
        self.events = list(events)
        kept: dict[int, list[tuple[int, torch.UntypedStorage]]] = {}
        for key in memory & self._kept.keys():
            for when, storage in self._kept[key]:
                # before the event that wrote or, if that is dropped, the last one before it
                before = bisect_left(old, when) - (when not in number)
                if before >= 0:
                    kept.setdefault(key, []).append((before, storage))
        self._kept = kept
        self.lineage.keep(memory)
        self._pinned = {key: s for key, s in self._pinned.items() if key in memory}
        self.kept_bytes = sum(s.nbytes() for versions in kept.values() for _, s in versions)
        return memory

    def storage_at(self, value: Tensor, index: int) -> torch.UntypedStorage:
        """Return the bytes under `value` as they were just before event `index`."""
        for when, storage in self._kept.get(key_of(value), ()):
            if when >= index:
                return storage
        return value.untyped_storage()

    def at(self, value: Tensor, index: int) -> Tensor:
        """Return `value` as it was just before event `index` (shape and strides as they are)."""
        empty, storage = value.new_empty(0), self.storage_at(value, index)
        return empty.set_(storage, value.storage_offset(), value.shape, value.stride())


def key_of(value: Tensor) -> int:
    """Return the identity of the tensor's storage, unique because the trace keeps it alive."""
    return int(value.untyped_storage()._cdata)


def tensors_of(event: Event) -> Iterator[Tensor]:
    """Yield the tensors that an event refers to."""
    if type(event) is Op:
        yield from (*event.inputs, *event.outputs)
    elif type(event) is Bind or type(event) is Unnamed:
        yield event.value
    elif type(event) is Update:
        yield from (event.parameter, *event.levels)
    elif type(event) is Backward:
        yield from event.outputs
    elif type(event) is Compared:
        yield from event.values


def is_leaf(value: Tensor) -> bool:
    """Tell whether it is a leaf of autograd's graph.

    For a view made under no_grad (`W.T`), torch raises once its base was written to in place
    (`W -= lr * dW`): it is a view of a leaf, and no leaf itself.
    """
    try:
        return value.is_leaf
    except RuntimeError:
        return False


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list | Mapping):
        for element in value.values() if isinstance(value, Mapping) else value:
            yield from tensors_in(element)


def needed(events: Sequence[Event], targets: Iterable[Tensor], stops: set[int]) -> list[Op]:
    """Return the operations that `targets` come from, in program order.

    By storage, so that views and in-place writes are never missed. `stops` are storages whose
    history does not matter: the leaves, whose values are known. The views of a leaf (`W.T`) share
    its storage; the operations that make them are found by tensor.
    """
    wanted = {key_of(t) for t in targets} - stops
    views = {id(t) for t in targets if key_of(t) in stops and _is_derived(t)}
    chosen: list[Op] = []
    for event in reversed(events):
        if type(event) is not Op:
            continue
        if any(key_of(t) in wanted or id(t) in views for t in event.outputs):
            chosen.append(event)
            wanted.update(key_of(t) for t in event.inputs if key_of(t) not in stops)
            views.update(id(t) for t in event.inputs if key_of(t) in stops and _is_derived(t))
    return chosen[::-1]


def _is_derived(value: Tensor) -> bool:
    """Tell a view of a leaf from the leaf itself."""
    return not is_leaf(value) or (value._is_view() and not value.requires_grad)


def _is_unbacked(value: Tensor) -> bool:
    return value.is_meta or torch._C._functorch.is_functorch_wrapped_tensor(value)
