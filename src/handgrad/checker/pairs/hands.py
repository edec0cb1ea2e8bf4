"""Gradients by hand, and which tensor's gradient each of them may be."""

from collections.abc import Sequence
from dataclasses import dataclass

from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.call import Call
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind


@dataclass(frozen=True, eq=False)
class Definition:
    """One definition of a gradient: its `=` and every later statement that changed it."""

    number: int
    name: str
    binds: Sequence[Bind]

    @property
    def borrowed(self) -> bool:
        """Whether it is another gradient under a key, `grads["W1"] = dW1`."""
        return self.binds[0].kind == "param"

    @property
    def unnamed(self) -> bool:
        """Whether a function returns it without a name."""
        return self.binds[0].kind == "result"

    def final(self) -> Bind:
        """Return the last statement that changed it, under whatever name."""
        return self.binds[-1]

    def own_final(self) -> Bind:
        """Return the last statement that changed it under its own name: it is finished there."""
        return next((b for b in reversed(self.binds) if not b.alias), self.binds[-1])


@dataclass(frozen=True, eq=False)
class HandGradient(Definition):
    """A gradient by hand, and what it may be the gradient of.

    `candidates` are the nodes that its name may refer to, the most recent one first: several where
    a loop over time binds the name again and again, none where no tensor has the name. `claim` says
    where they come from: "pair" (given by the user), "name", "compared" (the file compares the two)
    "call" or "update" (a call or an update shows it)
    or "value" (no node yet). `read_node` is the node that the name stands for where the gradient is
    computed, if it is bound again there (`x, W = cache`).
    """

    forward: ForwardPass
    candidates: Sequence[Bind]
    claim: str
    read_node: Bind | None = None
    share: Call | None = None
    """The forward call whose contribution it is, where others read the node as well."""
    factor: float | None = None
    """For a step of an update: what it multiplies the gradient by."""
    within: range | None = None
    """The operations whose contribution it is, where another gradient adds up the node's."""


@dataclass(frozen=True, eq=False)
class Pair(Definition):
    """A gradient by hand and the node that it belongs to, in a differentiated pass.

    `binds` leaves out `clipped`, a clipping or update that changed it on purpose once it was
    finished, and what follows that.
    """

    forward: Pass
    node: Bind
    claim: str
    clipped: Statement | None = None

    def is_local(self) -> bool:
        """Tell whether its node is a function's parameter: another name for a caller's tensor."""
        return self.node.kind == "param"
