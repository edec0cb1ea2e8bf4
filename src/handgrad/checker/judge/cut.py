"""A forward pass cut at its named nodes: what each node is computed from, and no further."""

from collections.abc import Mapping

import torch
from torch import Tensor

from handgrad.checker.passes.replay import Replay
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import Bind, Op, key_of


class Cut(Replay):
    """A replay in which every named node is a leaf for what is computed from it."""

    def __init__(self, forward: Pass, silent: frozenset[int] = frozenset()) -> None:
        """Run the pass. The results of the `silent` operations are constants."""
        super().__init__(
            forward.trace,
            forward.leaves,
            grad=True,
            always_grad=forward.backward is None,
            start=forward.start,
            draws=forward.draws,
        )
        self.factors = forward.factors
        self.made: dict[int, Tensor] = {}
        """What was computed for each node, by the id of the user's tensor."""
        self.given: dict[int, Tensor] = {}
        """The leaf that stands for the node afterwards, by the same id."""
        self.consumers: dict[int, set[int]] = {}
        """The nodes computed directly from each node, by id; the loss is one."""
        self._sources: dict[int, set[int]] = {}
        self._made_at: dict[int, int] = {}
        self._silent = silent
        self.run(forward.events)
        for output in forward.outputs:  # a function may return the loss: it gets its name later
            for source in self._sources.get(key_of(output), ()):
                if source != id(output):
                    self.consumers.setdefault(source, set()).add(id(output))

    def bind(self, bind: Bind) -> None:
        """Cut here: operations from here on read a leaf in place of what was computed."""
        number, key = id(bind.value), key_of(bind.value)
        if bind.kind == "param" or not self.is_live(bind.value) or number in self.given:
            return
        value = self.get(bind.value, bind.index)
        if not value.is_floating_point() or not value.requires_grad:
            return
        for source in self._sources.get(key, ()):
            self.consumers.setdefault(source, set()).add(number)
        if not value.is_leaf:
            self.made[number] = value
            self.env[number] = value.detach().requires_grad_()
        self.given[number] = self.env[number]
        self._sources[key] = {number}

    def execute(self, op: Op) -> None:
        """Run one operation, and note which nodes its results are computed from."""
        super().execute(op)
        sources = {s for t in op.inputs for s in self._sources.get(key_of(t), ())}
        for value in op.outputs:
            self._sources.setdefault(key_of(value), set()).update(sources)
            self._made_at[id(value)] = op.index
            if op.index in self._silent and id(value) in self.env:
                self.env[id(value)] = self.env[id(value)].detach()

    def within(self, source: int, operations: range | None) -> set[int]:
        """Return the consumers of a node that these operations computed; all where None."""
        consumers = self.consumers.get(source, set())
        if operations is None:
            return set(consumers)
        return {n for n in consumers if self._made_at.get(n, -1) in operations}

    def sent_back(self, upstream: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Return what each node receives for the given gradients of its consumers, all by id."""
        outputs = [number for number in upstream if number in self.made]
        inputs = list(self.given)
        gradients = torch.autograd.grad(
            [self.made[n] for n in outputs],
            [self.given[n] for n in inputs],
            [upstream[n] / self.factors.get(n, 1.0) for n in outputs],
            retain_graph=True,
            allow_unused=True,
        )
        return {
            n: g * self.factors.get(n, 1.0)
            for n, g in zip(inputs, gradients, strict=True)
            if g is not None
        }
