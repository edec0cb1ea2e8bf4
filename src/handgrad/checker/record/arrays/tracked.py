"""The arrays and numbers of a recorded NumPy program.

They are NumPy's own, and behave as such. Each stands for a tensor over its memory. What NumPy
computes from them passes through `ACTIVE`, which records it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from handgrad.checker.record.carriers import CARRIERS


class Follower(Protocol):
    """Runs an operation of NumPy's for the user, and records it."""

    def ufunc(self, ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any: ...
    def function(self, function: Any, args: Any, kwargs: Any) -> Any: ...
    def item(self, array: Any, key: Any) -> Any: ...
    def set_item(self, array: Any, key: Any, value: Any) -> None: ...
    def method(self, array: Any, name: str, args: Any, kwargs: Any) -> Any: ...
    def tensor(self, value: Any) -> Any: ...


ACTIVE: list[Follower] = []
"""The recordings that run now, the innermost last."""


class Tracked(np.ndarray):
    """An array with a tensor over its memory, made when it is needed."""

    tensor: Any = None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(_defers(value) for value in inputs):
            return NotImplemented
        return (
            ACTIVE[-1].ufunc(ufunc, method, inputs, kwargs)
            if ACTIVE
            else plainly(getattr(ufunc, method), inputs, kwargs)
        )

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return ACTIVE[-1].function(func, args, kwargs) if ACTIVE else plainly(func, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        if ACTIVE:
            return ACTIVE[-1].item(self, key)
        return plain(self)[_without(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        if ACTIVE:
            ACTIVE[-1].set_item(self, key, value)
        else:
            plain(self)[_without(key)] = _without(value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    @property
    def T(self) -> Any:
        return self.transpose()

    def __repr__(self) -> str:
        return repr(plain(self))

    def __str__(self) -> str:
        return str(plain(self))

    def __format__(self, spec: str) -> str:
        return format(plain(self)[()], spec)

    def __reduce__(self) -> Any:
        return plain(self).__reduce__()

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()


class _Number:
    """What the classes of numbers share. `tensor` has no dimensions."""

    tensor: Any = None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(_defers(value) for value in inputs):
            return NotImplemented
        return (
            ACTIVE[-1].ufunc(ufunc, method, inputs, kwargs)
            if ACTIVE
            else plainly(getattr(ufunc, method), inputs, kwargs)
        )

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return ACTIVE[-1].function(func, args, kwargs) if ACTIVE else plainly(func, args, kwargs)

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    __copy__ = item = lambda self, *_: self


class TrackedDouble(np.float64):
    """A number of NumPy's in float64. It gets what _Number has below: a second base class would
    make NumPy take it for any object."""

    def __reduce__(self) -> Any:
        return plain(self).__reduce__()


class TrackedSingle(np.float32):
    """A number of NumPy's in float32."""

    def __reduce__(self) -> Any:
        return plain(self).__reduce__()


NUMBERS = {np.float64: TrackedDouble, np.float32: TrackedSingle}
_ALL = (Tracked, TrackedDouble, TrackedSingle)


def is_tracked(value: Any) -> bool:
    """Tell whether a value is an array or number of a recorded program."""
    return isinstance(value, _ALL)


def plain(value: Any) -> Any:
    """Return NumPy's own array or number."""
    if isinstance(value, Tracked):
        return value.view(np.ndarray)
    if isinstance(value, TrackedDouble):
        return np.float64(float(value))
    return np.float32(float(value)) if isinstance(value, TrackedSingle) else value


def _without(value: Any) -> Any:
    """Return the value with NumPy's own arrays in it."""
    if isinstance(value, tuple):
        return tuple(map(_without, value)) if type(value) is tuple else value
    if type(value) is list:
        return [_without(element) for element in value]
    return plain(value)


stripped = _without


def plainly(function: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Any:
    """Call a function with NumPy's own arrays."""
    return function(*_without(tuple(args)), **{k: _without(v) for k, v in kwargs.items()})


def _defers(value: Any) -> bool:
    """Tell whether another library's class handles the operation (a tensor)."""
    kind = type(value)
    return not isinstance(value, np.ndarray | np.generic) and hasattr(kind, "__torch_function__")


def _operator(name: str, ufunc: Any, swapped: bool) -> None:
    def operate(self: Any, other: Any) -> Any:
        if _defers(other) or type(other) in (list, tuple, str):
            base = np.float64 if isinstance(self, np.float64) else np.float32
            return getattr(base, name)(self, other)
        return ufunc(other, self) if swapped else ufunc(self, other)

    operate.__name__ = name
    setattr(_Number, name, operate)


for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide,
    "pow": np.power, "floordiv": np.floor_divide, "mod": np.remainder,
}.items():  # fmt: skip
    _operator(f"__{_name}__", _ufunc, swapped=False)
    _operator(f"__r{_name}__", _ufunc, swapped=True)


def _unary(name: str, ufunc: Any) -> None:
    setattr(_Number, name, lambda self: ufunc(self))


_unary("__neg__", np.negative)
_unary("__abs__", np.absolute)

METHODS = ("all", "any", "argmax", "argmin", "argsort", "astype", "clip", "copy", "cumprod",
           "cumsum", "diagonal", "dot", "fill", "flatten", "max", "mean", "min", "prod", "put",
           "ravel", "repeat", "reshape", "round", "sort", "squeeze", "std", "sum", "swapaxes",
           "take", "trace", "transpose", "var", "item")  # fmt: skip
"""Methods that bypass `__array_function__`."""


def _method(kind: type, name: str) -> None:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if ACTIVE:
            return ACTIVE[-1].method(self, name, args, kwargs)
        return plainly(getattr(plain(self), name), args, kwargs)

    method.__name__ = name
    setattr(kind, name, method)


for _name in METHODS:
    _method(Tracked, _name)
    if _name not in ("fill", "put", "sort", "item"):
        _method(_Number, _name)


for _kind in NUMBERS.values():
    for _name, _member in vars(_Number).items():
        if _name not in ("__dict__", "__doc__", "__module__", "__weakref__"):
            setattr(_kind, _name, _member)


def _read(value: Any) -> Any:
    if value.tensor is None and ACTIVE:
        return ACTIVE[-1].tensor(value)
    return value if value.tensor is None else value.tensor


CARRIERS.update(dict.fromkeys(_ALL, _read))
