"""Calls of the user's functions: what each got and returned, and on which object it ran.

A layer's forward and backward belong together because they run on the same object, or because one
gets the cache that the other returned.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from torch import Tensor

from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.scope import Scope

DEPTH = 3
"""How deep tensors are looked for in arguments and results: ((x, w), (mask, p))."""
MANY = 256
"""A larger collection is data."""


@dataclass(eq=False, slots=True)
class Unnamed:
    """A tensor that a statement made without a name: returned, or passed on to a function.

    An event of the trace, which becomes a Bind where the tensor turns out to be a gradient.
    """

    index: int
    name: str
    """What to call it."""
    value: Tensor
    statement: Statement
    scope: Scope | None
    call: "Call | None"
    """The call that runs the statement."""
    bind: Any = None
    """The Bind that stands in its place."""


@dataclass(eq=False, slots=True)
class Update:
    """A statement that moves a parameter along its gradient, or against it: an event of the trace.

    `levels` are the step, and what is left of it without one factor after the other.
    """

    index: int
    parameter: Tensor
    """As it was before."""
    levels: tuple[Tensor, ...]
    factor: float
    """What the step multiplies the gradient by: the learning rate, negative where it is added."""
    statement: Statement

    @property
    def descends(self) -> bool:
        """Whether the step goes against the gradient."""
        return self.factor > 0


@dataclass(eq=False, slots=True)
class Call:
    """One call of a function. `begin` and `end` are the trace's length when it began and ended."""

    function: str
    """Its name with its class: `Tanh.backward`."""
    begin: int
    arguments: Mapping[str, Any]
    owner: Any = None
    """The object whose method it is; None for a function."""
    caller: "Call | None" = None
    source: "Call | None" = None
    """The call that returned one of the arguments, or what one of them holds: a cache."""
    end: int | None = None
    result: Any = None
    returned: list[Unnamed] = field(default_factory=list)
    """The tensors in the result, in order."""
    given: list[Unnamed] = field(default_factory=list)
    """The arguments that are tensors."""

    @property
    def name(self) -> str:
        """The function's name without its class."""
        return self.function.rpartition(".")[2]


def floats_in(value: Any, depth: int = DEPTH) -> Iterator[Tensor]:
    """Yield the floating-point tensors in an argument or a result, in order."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif depth and isinstance(value, tuple | list | dict) and len(value) <= MANY:
        for element in value.values() if isinstance(value, dict) else value:
            yield from floats_in(element, depth - 1)


def holders_in(values: Iterable[Any], depth: int = DEPTH) -> Iterator[Any]:
    """Yield the collections and objects among the values, and those inside them."""
    for value in values:
        if isinstance(value, PLAIN):
            continue
        yield value
        if depth and isinstance(value, tuple | list | dict) and len(value) <= MANY:
            yield from holders_in(value.values() if isinstance(value, dict) else value, depth - 1)


PLAIN = (Tensor, int, float, complex, str, bytes, type(None), type, ModuleType, FunctionType)
"""Values that neither are nor hold what a forward function passes on to its backward function."""
