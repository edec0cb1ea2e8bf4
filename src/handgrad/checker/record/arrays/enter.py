"""How plain arrays become tracked: the hooks around calls and values in the user's code."""

import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from handgrad.checker.record.arrays.calls import Arrays
from handgrad.checker.record.arrays.creation import CREATED
from handgrad.checker.record.arrays.rule import Call
from handgrad.checker.record.arrays.special import SPECIAL
from handgrad.checker.record.arrays.tracked import (
    ACTIVE,
    NUMBERS,
    Tracked,
    is_tracked,
    plain,
    plainly,
)
from handgrad.checker.record.arrays.values import Recording
from handgrad.checker.record.targets import HOOK

_MATH = {
    "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt, "tanh": torch.tanh, "sin": torch.sin,
    "cos": torch.cos, "fabs": torch.abs, "log1p": torch.log1p, "expm1": torch.expm1,
}  # fmt: skip
_FROM_LISTS = {np.array, np.asarray, np.asanyarray, np.ascontiguousarray}
_SHUFFLES = {"shuffle"}
_OF_SEVERAL = {"array", "einsum", "concatenate", "stack", "vstack", "hstack", "column_stack",
               "dstack", "block", "broadcast_arrays", "meshgrid", "ix_", "select", "choose",
               "lexsort"}  # fmt: skip
"""Functions that take a list of arrays as such; others take it as one array."""


class Entrance:
    """The hooks of one recording. `active` makes its arrays the ones that operations go to."""

    def __init__(self, recording: Recording) -> None:
        self.arrays = Arrays(recording)

    def enter(self) -> None:
        ACTIVE.append(self.arrays)

    def leave(self) -> None:
        if self.arrays in ACTIVE:
            ACTIVE.remove(self.arrays)

    def lift(self, value: Any) -> Any:
        """Return the value with tracked arrays in the place of plain ones."""
        return self.arrays.entered(value) if ACTIVE else value

    def number(self, value: float) -> Any:
        """Return a number of Python's as a tracked one of NumPy's."""
        if not ACTIVE:
            return value
        made = NUMBERS[np.float64](value)
        self.arrays.tensor(made)  # it keeps the tensor that it stands for
        return made

    def call(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Call a function for the user, and return its result with tracked arrays in it."""
        name = getattr(function, "__name__", "")
        if ACTIVE and name in CREATED and function is getattr(np, name, None):
            return self._created(function, name, args, kwargs)
        if not ACTIVE or not any(_tracked_in((args, *kwargs.values()))):
            return self.lift(function(*args, **kwargs))
        special = self._special(function, args, kwargs)
        if special is not None:
            return special[0]
        if is_foreign(function):  # its own C code may not expect other classes
            result = plainly(function, args, kwargs)
        else:
            result = function(*args, **kwargs)
        if _is_followed(function) or not _has_lost(result):
            return self.lift(result)
        return self.arrays.unfollowed(function, args, kwargs, result)

    def _created(self, function: Any, name: str, args: Any, kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        return self.arrays.recorded(CREATED[name], f"np.{name}", args, kwargs, made)

    def _special(self, function: Any, args: Any, kwargs: Any) -> tuple[Any] | None:
        """Return the result, in a tuple, of a function that NumPy's own dispatch does not reach."""
        module, name = getattr(function, "__module__", None), getattr(function, "__name__", "")
        first = args[0] if args else None
        if module == "math" and name in _MATH and len(args) == 1 and is_tracked(first):
            number = np.float64(function(plain(first)))
            return (self.arrays.recorded(lambda _, x: Call(_MATH[name], (x,)), f"math.{name}",
                                          args, {}, number),)  # fmt: skip
        if function is np.float64 and is_tracked(first) and not isinstance(first, Tracked):
            return (first,)
        if isinstance(function, type | np.ufunc) or not callable(function):
            return None
        if str(module).startswith("scipy.special") and name in SPECIAL and is_tracked(first):
            result = plainly(function, args, kwargs)
            label = f"scipy.special.{name}"
            return (self.arrays.recorded(SPECIAL[name], label, args, kwargs, result),)
        if module == "numpy" and name in {f.__name__ for f in _FROM_LISTS}:
            return self._from_list(name, args, kwargs)
        if name in _SHUFFLES and isinstance(first, Tracked):
            self.arrays.writing(
                first, None, name, args, {}, lambda: plainly(function, args, kwargs)
            )
            return (None,)
        if module == "numpy" and isinstance(first, list) and name not in _OF_SEVERAL:
            nested = self._from_list("array", (first,), {})
            if nested is not None:
                return (function(nested[0], *args[1:], **kwargs),)
        return None

    def _from_list(self, name: str, args: Any, kwargs: Any) -> tuple[Any] | None:
        """Return the array of np.array and its relatives on tracked values."""
        first = args[0]
        if isinstance(first, Tracked):
            result = plainly(getattr(np, name), args, kwargs)
            if name != "array" and result.base is not None and result.dtype == first.dtype:
                return (first,)
            return (self.arrays.recorded(_cast, f"np.{name}", (first,), {}, result),)
        result = plainly(getattr(np, name), args, kwargs)
        return (self.arrays.recorded(_stacked, f"np.{name}", (first,), {}, result),)


def _cast(helper: Any, x: Any) -> Call:
    return Call(torch.clone, (x,))


def _stacked(helper: Any, values: Any) -> Call:
    """Return what np.array of a list is."""
    from handgrad.checker.record.arrays.rule import as_tensor

    rows = [v if isinstance(v, torch.Tensor) else _stack_of(helper, v) for v in values]
    like = next((r for r in rows if isinstance(r, torch.Tensor)), None)
    return Call(torch.stack, ([as_tensor(r, like) for r in rows],))


def _stack_of(helper: Any, value: Any) -> Any:
    if isinstance(value, list | tuple) and any(_tensors(value)):
        call = _stacked(helper, value)
        return helper.run(call.func, *call.args)
    return value


def _tensors(value: Any) -> Iterator[bool]:
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _tensors(inner)
    elif isinstance(value, torch.Tensor):
        yield True


def _tracked_in(value: Any) -> Iterator[bool]:
    """Yield True for each tracked float among arguments, and in lists of them."""
    if is_tracked(value):
        if value.dtype.kind == "f":
            yield True
    elif type(value) in (list, tuple):
        for inner in value[:64]:
            yield from _tracked_in(inner)


def is_foreign(function: Any) -> bool:
    """Tell whether a function belongs to an installed library other than NumPy and torch."""
    if isinstance(function, np.ufunc):
        return False
    owner = getattr(function, "__self__", None)
    module = getattr(function, "__module__", None) or type(owner).__module__
    return _is_installed(module.split(".")[0])


@lru_cache
def _is_installed(name: str) -> bool:
    if name in ("numpy", "torch", "__main__", "builtins"):
        return False
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


def _has_lost(result: Any) -> bool:
    """Tell whether there is a plain array of floats, or number, in a function's result."""
    if type(result) is tuple:
        return any(map(_has_lost, result))
    is_array = type(result) is np.ndarray and result.dtype.kind == "f"
    return is_array or type(result) in NUMBERS


def _is_followed(function: Any) -> bool:
    """Tell whether the arrays inside a function are tracked, or of no gradient's business."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return (code is not None and HOOK in code.co_names) or _is_random(function)


def _is_random(function: Any) -> bool:
    owner = getattr(function, "__self__", None)
    return type(owner).__module__.startswith("numpy.random")
