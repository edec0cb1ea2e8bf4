"""The values of the user's names at one moment of a run, in a form that a line can run on.

Tensors have the run's dtype, collections are copies, and objects of the user's own classes are
stand-ins with the same attributes. A line that runs on them calls no code of the user's and
modifies none of the user's values.
"""

import builtins
import contextlib
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.passes.replay import Replay
from handgrad.checker.record.carriers import is_array, tensor_of
from handgrad.checker.record.scope import Scope, attributes
from handgrad.checker.record.trace import Bind, key_of

MANY = 4096
"""A larger collection is data, and is given as it is: nothing in a line writes to those."""
_LIBRARIES = ("torch", "math", "numpy")
PURE = {"abs", "bool", "enumerate", "float", "int", "len", "list", "max", "min", "pow", "range",
        "reversed", "round", "slice", "sum", "tuple", "zip"}  # fmt: skip
"""Functions of Python's own that change nothing."""
_PLAIN = (bool, int, float, complex, str, bytes, type(None), range, slice, torch.dtype,
          torch.device, torch.Size, type(Ellipsis))  # fmt: skip


class NamesAt:
    """The values of a scope's names at one moment.

    Tensors that are modified later are copied now; the rest is read from the run on demand.
    """

    def __init__(
        self, replay: Replay, bind: Bind, changing: set[int], scope: Scope | None = None
    ) -> None:
        scope = scope or bind.scope
        assert scope is not None
        self._scope = scope
        self._given = {name: tensor_of(value) for name, value in scope.visible().items()}
        self._replay, self._index = replay, bind.index
        self._kept: dict[int, Tensor] = {}
        self.of_arrays = is_array(bind.value)
        """Whether the user's gradient is an array of NumPy's."""
        held = [tensor_of(v) for c in scope.held.values() for v in _elements(c)]
        for value in [*self._given.values(), *held]:
            if is_float(value) and id(value) not in self._kept and key_of(value) in changing:
                self._kept[id(value)] = self._replayed(value).clone()

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def get(self, name: str) -> Any:
        """Return the value of a name, None if it has none."""
        with contextlib.suppress(KeyError):
            return self.stand_in(self._given[name])
        return None

    @property
    def outer(self) -> "NamesAt":
        """The names where the statement of the gradient stands: inside a function, the caller's."""
        return self

    def given(self, name: str) -> Any:
        """Return the value of a name in the user's own run."""
        return self._given[name]

    def value_of(self, value: Tensor) -> Tensor:
        """Return what one of the user's tensors held, as the run has it."""
        return self._tensor(value)

    def indices(self) -> dict[str, Tensor]:
        """Return the index tensors by name."""
        given = self._given.items()
        return {
            n: v for n, v in given if isinstance(v, Tensor) and v.dtype == torch.int64 and v.dim()
        }

    def contents(self, name: str) -> dict[str, Any]:
        """Return the attributes of an object of the user's, by name."""
        value = self._given.get(name)
        if isinstance(value, (*_PLAIN, Tensor)) or of_library(value) or is_array(value):
            return {}
        held = self.held(value)
        return held if isinstance(held, dict) and not isinstance(value, dict) else {}

    def before(self, bind: Bind) -> "NamesAt":
        """Return the names at another moment of the same run."""
        return NamesAt(self._replay, bind, set())

    def held(self, value: Any) -> Any:
        """Return the contents of a collection or object at that moment; None for anything else."""
        found = self._scope.held.get(id(value))
        if found is not None:
            return found
        return value if isinstance(value, tuple | list | dict) else attributes(value)

    def numpy_name(self) -> str:
        """Return the user's name of NumPy."""
        modules = (n for n, v in self._given.items() if getattr(v, "__name__", "") == "numpy")
        return next(modules, "np")

    def stand_in(self, value: Any, tensor: Callable[[Tensor, Tensor], Any] | None = None) -> Any:
        """Return the stand-in for one of the user's values. Raise KeyError if there is none.

        `tensor` maps each tensor inside, the user's and its stand-in, to the one to use.
        """
        if isinstance(value, _PLAIN):
            return value
        value = tensor_of(value)
        if isinstance(value, Tensor):
            found = self._tensor(value) if is_float(value) else value
            return found if tensor is None else tensor(value, found)
        if isinstance(value, tuple | list | dict):
            return self._collection(value, tensor)
        if of_library(value):
            return value
        if type(value).__module__ == "numpy":
            return value.copy()
        held = self.held(value)
        if held is None:
            raise KeyError(f"{type(value).__name__} is not to be run on")
        return StandIn(held, lambda inner: self.stand_in(inner, tensor))

    def _collection(self, value: Any, tensor: Any) -> Any:
        if len(value) > MANY:
            return value
        held = self.held(value)
        if isinstance(value, dict):
            return {key: self._element(inner, tensor) for key, inner in dict.items(held)}
        made = [self._element(inner, tensor) for inner in held]
        if type(value).__module__ == "torch.return_types":  # of max, sort, ...
            return type(value)(made)
        if hasattr(type(value), "_fields"):
            return tuple.__new__(type(value), made)
        return made if isinstance(value, list) else tuple(made)

    def _element(self, value: Any, tensor: Any) -> Any:
        try:
            return self.stand_in(value, tensor)
        except KeyError:
            return StandIn({}, lambda inner: inner)

    def _tensor(self, value: Tensor) -> Tensor:
        kept = self._kept.get(id(value))
        return self._replayed(value) if kept is None else kept

    def _replayed(self, value: Tensor) -> Tensor:
        return self._replay.get(value, self._index).detach()


class StandIn:
    """The attributes of one of the user's objects; no methods but those that a program defines."""

    def __init__(self, held: dict[str, Any], stand_in: Callable[[Any], Any]) -> None:
        self.__dict__["_held"], self.__dict__["_stand_in"] = held, stand_in

    def __define__(self, name: str, function: Callable[..., Any]) -> None:
        """Give it a method."""
        self.__dict__[name] = partial(function, self)

    def __getattr__(self, name: str) -> Any:
        try:
            value = self._stand_in(self._held[name])
        except KeyError as error:
            raise AttributeError(name) from error
        self.__dict__[name] = value
        return value


def is_float(value: Any) -> bool:
    """Tell whether a value is a tensor that takes the run's dtype."""
    return isinstance(value, Tensor) and value.is_floating_point() and value.layout is torch.strided


def of_library(value: Any) -> bool:
    """Tell whether a value is a module, function or class of a library, so runs no user code."""
    if isinstance(value, types.ModuleType):
        return _root(value.__name__) in _LIBRARIES
    if isinstance(value, types.BuiltinFunctionType):  # torch.exp has no module
        return value.__self__ is None or not _is_builtin(value) or value.__name__ in PURE
    if isinstance(value, types.FunctionType):
        return _root(value.__module__) in ("torch", "numpy")
    if isinstance(value, type):
        library = _root(value.__module__) in ("torch", "numpy")
        return value.__name__ in PURE if _is_builtin(value) else library
    # NumPy's own kinds of functions
    return callable(value) and _root(type(value).__module__) == "numpy"


def _is_builtin(value: Any) -> bool:
    return getattr(builtins, value.__name__, None) is value


def _root(module: str | None) -> str:
    return (module or "").split(".")[0].lstrip("_")


def _elements(held: Any) -> Iterator[Any]:
    yield from held.values() if isinstance(held, dict) else held
