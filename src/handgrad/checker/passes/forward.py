"""Forward passes: one loss, the operations that lead to it, and its named tensors.

Which losses a trace has is `find.py`'s part; what is differentiated, and in which dtype,
`truth.py`'s.
"""

from bisect import bisect
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from handgrad.checker.record.trace import Backward, Bind, Event, Op, Trace, key_of


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """One loss and the recorded operations and names that lead to it.

    `outputs` are the tensors that the backward pass starts from, `seeds` the gradient of each
    (None: 1). `end` is the index of the event that computed the loss, `start` that of the first
    operation that depends on `leaves`, the storages to differentiate by. `eps` is the machine
    epsilon of the coarsest dtype on the way. Where nothing requires a gradient, `asked` is the
    memory that depends on tensors with a gradient by hand, or updated ones; the rest is data.
    """

    trace: Trace
    outputs: tuple[Tensor, ...]
    seeds: tuple[Tensor | None, ...]
    end: int
    backward: Backward | None
    leaves: set[int]
    events: Sequence[Event]
    start: int
    eps: float
    asked: frozenset[int] | None

    def nodes(self) -> Sequence[Bind]:
        """Return the named tensors that the loss depends on, in program order."""
        return self._nodes

    @cached_property
    def _nodes(self) -> Sequence[Bind]:
        computed = {id(t) for e in self.events if type(e) is Op for t in e.outputs}
        binds = [b for b in self.events if type(b) is Bind and b.value.is_floating_point()]
        return [b for b in binds if id(b.value) in computed or key_of(b.value) in self.leaves]

    @cached_property
    def made(self) -> Set[int]:
        """The memory that it computed; a view computes nothing."""
        made: set[int] = set()
        for event in self.events:
            if type(event) is Op:
                views = {key_of(t) for t in event.inputs} - {key_of(t) for t in event.writes}
                made.update({key_of(t) for t in event.outputs} - views)
        return made - self.leaves

    @cached_property
    def memory(self) -> Set[int]:
        """The memory that it reads or computes."""
        ops = [e for e in self.events if type(e) is Op]
        return {key_of(t) for e in ops for t in (*e.inputs, *e.outputs)} | self.leaves

    @cached_property
    def size(self) -> int:
        """The bytes that it computed: what its differentiation costs is a multiple of them."""
        made = {key_of(t): t for e in self.events if type(e) is Op for t in e.outputs}
        return sum(t.untyped_storage().nbytes() for t in made.values())

    def writes_before(self, bind: Bind) -> int:
        """Return how often the forward pass had written to the value when it got this name."""
        return bisect(self._writes.get(key_of(bind.value), []), bind.index)

    @cached_property
    def _writes(self) -> Mapping[int, list[int]]:
        """The indices of the operations that write to each storage."""
        writes: dict[int, list[int]] = {}
        for event in self.events:
            for key in {key_of(t) for t in event.writes} if type(event) is Op else ():
                writes.setdefault(key, []).append(event.index)
        return writes

    def name_of(self, number: int) -> str:
        """Return the name of the node whose tensor has this id."""
        return next(b.name for b in self.nodes() if id(b.value) == number and b.kind != "param")


def made_from(forward: ForwardPass) -> Mapping[int, set[int]]:
    """Return the named tensors that each named tensor is computed from, by their ids."""
    memory: dict[int, set[int]] = {}
    found: dict[int, set[int]] = {}
    for event in forward.events:
        if type(event) is Bind:
            known = memory.setdefault(key_of(event.value), set())
            found[id(event.value)] = set(known)
            known.add(id(event.value))
        elif type(event) is Op:
            sources = {i for t in event.inputs for i in memory.get(key_of(t), ())}
            for value in event.outputs:
                memory.setdefault(key_of(value), set()).update(sources)
    return found
