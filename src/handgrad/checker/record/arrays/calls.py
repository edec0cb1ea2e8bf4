"""An operation of NumPy's: NumPy computes, and the torch function that matches it is recorded."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from handgrad.checker.record.arrays.elementwise import IN_PLACE, UFUNCS, outer_ufunc
from handgrad.checker.record.arrays.indexing import add_at, read, write
from handgrad.checker.record.arrays.memory import Memory, is_numeric
from handgrad.checker.record.arrays.reductions import ACCUMULATED, REDUCED
from handgrad.checker.record.arrays.rule import Call, NotFollowed, Rule
from handgrad.checker.record.arrays.table import CONSTANT, FUNCTIONS
from handgrad.checker.record.arrays.tracked import (
    NUMBERS,
    Tracked,
    is_tracked,
    plain,
    plainly,
    stripped,
)
from handgrad.checker.record.carriers import mark_array

_NUMBERS = (bool, int, float, complex, np.generic)


class Recording(Protocol):
    """The recorder, as this package uses it."""

    @property
    def is_recording(self) -> bool: ...
    def computed(self, func: Any, args: Any, kwargs: Any, result: Any) -> None: ...
    def before_write(self, target: Tensor, inputs: list[Tensor]) -> None: ...
    def failed(self, error: Exception) -> None: ...


class Unfollowed:
    """Stands for a function of NumPy's in the trace. Running it again raises RuntimeError."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, *args: Any) -> Any:
        raise RuntimeError(f"this is NumPy code that uses {self.__name__}, which is not followed")


class Arrays:
    """Follows the arrays of one recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._memory = Memory()

    def ufunc(self, ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
        """Run a ufunc, or one of its methods: reduce, accumulate, outer, at."""
        name, how = ufunc.__name__, getattr(ufunc, method)
        label = f"np.{name}" if method == "__call__" else f"np.{name}.{method}"
        if method == "at":
            rule = add_at if name == "add" else None
            return self.writing(
                inputs[0], rule, label, inputs, {}, lambda: plainly(how, inputs, {})
            )
        rule = {
            "__call__": UFUNCS.get(name),
            "outer": outer_ufunc(name),
            "reduce": FUNCTIONS.get(REDUCED.get(name, "")),
            "accumulate": FUNCTIONS.get(ACCUMULATED.get(name, "")),
        }.get(method)
        if method in ("reduce", "accumulate") and len(inputs) == 1 and "axis" not in kwargs:
            kwargs = {**kwargs, "axis": 0}  # unlike sum
        return self._called(how, rule, label, inputs, kwargs, name if method == "__call__" else "")

    def function(self, function: Any, args: Any, kwargs: Any) -> Any:
        """Run a function of NumPy's."""
        label = label_of(function)
        name = label.removeprefix("np.")
        if name in CONSTANT:
            return self.entered(plainly(function, args, kwargs))
        if name == "copyto":
            return self.writing(args[0], _copied, label, args[:2], kwargs,
                                 lambda: plainly(function, args, kwargs))  # fmt: skip
        if name in ("fill_diagonal", "put", "place", "putmask", "put_along_axis"):
            return self.writing(args[0], None, label, args, kwargs,
                                 lambda: plainly(function, args, kwargs))  # fmt: skip
        return self._called(function, FUNCTIONS.get(name), label, args, kwargs)

    def method(self, array: Any, name: str, args: Any, kwargs: Any) -> Any:
        """Run a method of an array's."""
        own = getattr(plain(array), name)

        def run() -> Any:
            return plainly(own, args, kwargs)

        if name == "item":
            return self._called(lambda *_: NUMBERS.get(type(plain(array).flat[0]), _same)(run()),
                                _item, "item", (array, *args), {})  # fmt: skip
        if name == "fill":
            return self.writing(array, _filled, name, (array, *args), {}, run)
        if name in ("sort", "put"):
            return self.writing(array, None, name, (array, *args), {}, run)
        if name == "reshape" or (name == "transpose" and args and args[0] is not None):
            args = args if len(args) == 1 and isinstance(args[0], tuple | list) else (args,)
        return self._called(
            lambda *_, **__: run(), FUNCTIONS.get(name), f"np.{name}", (array, *args), kwargs
        )

    def item(self, array: Any, key: Any) -> Any:
        """Return `array[key]`."""
        result = plain(array)[stripped(key)]
        return self.recorded(read, "indexing", (array, key), {}, result)

    def set_item(self, array: Any, key: Any, value: Any) -> None:
        """Run `array[key] = value`."""

        def run() -> None:
            plain(array)[stripped(key)] = stripped(value)

        self.writing(array, write, "indexing", (array, key, value), {}, run)

    def run(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run and record a torch function that a rule needs in between."""
        result = func(*args, **kwargs)
        self._recording.computed(func, args, kwargs, result)
        return result

    def tensor(self, value: Any) -> Any:
        """Return the tensor that an array or number stands for."""
        if is_tracked(value) and value.tensor is not None:
            return value.tensor
        if not isinstance(value, np.ndarray):
            tensor = mark_array(torch.tensor(value.item(), dtype=_dtype(value)))
        else:
            with torch._C.DisableTorchFunction():
                tensor = self._present(value)
        if is_tracked(value):
            value.tensor = tensor
        return tensor

    def _present(self, array: Any) -> Tensor:
        """Return a tensor over memory that no recorded operation returned."""
        known = self._memory.known(array)
        tensor = self._memory.tensor(array)
        if known is not None and tensor is not known and self._recording.is_recording:
            geometry = tensor.shape, tensor.stride(), tensor.storage_offset()
            self._recording.computed(part_of, (known, *geometry), {}, tensor)
        return tensor

    def entered(self, value: Any) -> Any:
        """Return a plain array as a tracked one, also within a tuple, list or dict."""
        kind = type(value)
        if kind is np.ndarray:
            return value.view(Tracked) if is_numeric(value) else value
        if kind is tuple:
            return tuple(map(self.entered, value)) if any(map(_holds, value)) else value
        if kind is list and len(value) <= 256 and any(map(_holds, value)):
            value[:] = map(self.entered, value)
        if kind is dict and len(value) <= 256 and any(map(_holds, value.values())):
            value.update({key: self.entered(inner) for key, inner in value.items()})
        return value

    def unfollowed(self, function: Any, args: Any, kwargs: Any, result: Any) -> Any:
        """Return what a function made of tracked arrays outside of what is followed."""
        label = label_of(function)
        return self.recorded(None, label, (args, kwargs), {}, result)

    def _called(
        self, function: Any, rule: Rule | None, label: str, args: Any, kwargs: Any, ufunc: str = ""
    ) -> Any:
        out = kwargs.get("out")
        target = out[0] if isinstance(out, tuple) and len(out) == 1 else out
        if target is not None:
            rest = {k: v for k, v in kwargs.items() if k != "out"}
            if ufunc in IN_PLACE and args[0] is target:
                rule = _in_place(ufunc)
            elif rule is not None:
                rule = _into(rule, target)
            return self.writing(target, rule, label, args, rest,
                                 lambda: plainly(function, args, kwargs), returns=True)  # fmt: skip
        result = plainly(function, args, kwargs)
        rest = {k: v for k, v in kwargs.items() if k != "dtype" or v is None}
        return self.recorded(rule, label, args, rest, result)

    def recorded(self, rule: Rule | None, label: str, args: Any, kwargs: Any, result: Any) -> Any:
        """Return NumPy's result as the user gets it, and record what it came from."""
        if not self._recording.is_recording or not _is_of_interest(result):
            return self.entered(result)
        try:
            with torch._C.DisableTorchFunction(), torch.no_grad():
                call = self._call(rule, label, args, kwargs)
                made, tensors = self._made(result)
            with torch._C.DisableTorchFunction():
                self._recording.computed(*call, tensors)
        except Exception as error:
            self._recording.failed(error)
            return self.entered(result)
        return made

    def _call(self, rule: Rule | None, label: str, args: Any, kwargs: Any) -> Call:
        """Return the torch function to record."""
        given = tuple(self._tensors(a) for a in args)
        named = {k: self._tensors(v) for k, v in kwargs.items()}
        if rule is not None:
            try:
                return rule(self, *given, **named)
            except (NotFollowed, TypeError, ValueError, AttributeError):
                pass
        return Call(Unfollowed(label), tuple(_all_in((given, named))))

    def writing(
        self, target: Any, rule: Rule | None, label: str, args: Any, kwargs: Any,
        run: Callable[[], Any], returns: bool = False,
    ) -> Any:  # fmt: skip
        """Run what writes to `target`, and record it."""
        if not self._recording.is_recording or not is_numeric(target):
            run()
            return target if returns else None
        call, tensor, whole = None, None, None
        try:
            with torch._C.DisableTorchFunction(), torch.no_grad():
                tensor = self.tensor(target)
                call = self._call(rule, label, args, kwargs)
                self._recording.before_write(tensor, list(_all_in((call.args, call.kwargs))))
                whole = self._memory.apart(plain(target), tensor)
                if whole is not None:
                    self._recording.before_write(whole, [])
        except Exception as error:
            self._recording.failed(error)
        run()
        if call is not None and tensor is not None:
            with torch._C.DisableTorchFunction():
                if whole is not None:
                    increment_version(whole)
                    tensor.copy_(torch.from_numpy(plain(target).copy()))
                else:
                    increment_version(tensor)
                if isinstance(call.func, Unfollowed):
                    call = Call(Tensor.copy_, (tensor, tensor.detach().clone()))
                result = tensor if getattr(call.func, "__name__", "").endswith("_") else None
                self._recording.computed(*call, result)
        return target if returns else None

    def _tensors(self, value: Any) -> Any:
        """Return the arguments with tensors for arrays and tracked numbers."""
        kind = type(value)
        if is_tracked(value):
            return self.tensor(value)
        if kind is np.ndarray:
            return self.tensor(value) if is_numeric(value) else value
        if isinstance(value, np.generic):
            return value.item()
        if kind in (tuple, list):
            return kind(map(self._tensors, value))
        if kind is dict:
            return {key: self._tensors(inner) for key, inner in value.items()}
        return value

    def _made(self, result: Any) -> tuple[Any, Any]:
        """Return what the user gets, and the tensors in it."""
        if isinstance(result, np.ndarray):
            if not is_numeric(result):
                return result, None
            array = result.view(Tracked)
            known = self._memory.known(result) is not None
            array.tensor = self._memory.view(result) if known else self._memory.tensor(result)
            return array, array.tensor
        number: Any = NUMBERS.get(type(plain(result)))
        if number is not None:
            made = number(result)
            made.tensor = mark_array(torch.tensor(float(result), dtype=_dtype(plain(result))))
            return made, made.tensor
        if isinstance(result, tuple | list):
            parts = [self._made(part) for part in result]
            kind = list if isinstance(result, list) else tuple
            return kind(p[0] for p in parts), tuple(p[1] for p in parts)
        return result, None


def part_of(whole: Tensor, shape: Any, strides: Any, offset: int) -> Tensor:
    """Return a part of a tensor's memory."""
    if tuple(whole.shape) == tuple(shape) and whole.stride() == tuple(strides):
        return whole.view_as(whole)
    if not whole.is_contiguous():
        raise RuntimeError("the memory has another order here")
    return whole.as_strided(shape, strides, offset)


def label_of(function: Any) -> str:
    """Return what the user calls a function: np.linalg.svd, scipy.signal.convolve2d."""
    name = getattr(function, "__qualname__", getattr(function, "__name__", type(function).__name__))
    module = getattr(function, "__module__", None) or ""
    if module.split(".")[0] == "numpy":
        module = module.replace("numpy", "np", 1).removesuffix("._linalg").split("._")[0]
    return f"{module}.{name}" if module and module not in ("builtins", "__main__") else str(name)


def _in_place(name: str) -> Rule:
    def rule(helper: Any, x: Tensor, y: Any = None, **kwargs: Any) -> Call:
        if kwargs or (name == "subtract" and getattr(y, "dtype", None) == torch.bool):
            raise NotFollowed
        return Call(IN_PLACE[name], (x, y))

    return rule


def _into(rule: Rule, target: Any) -> Rule:
    """Return the rule with its result written to `target`."""

    def into(helper: Any, *args: Any, **kwargs: Any) -> Call:
        call = rule(helper, *args, **kwargs)
        return Call(written_, (helper.tensor(target), call.func, call.args, call.kwargs))

    return into


def written_(out: Tensor, func: Any, args: Any, kwargs: Mapping[str, Any]) -> Tensor:
    """Write a function's result into a tensor."""
    return out.copy_(func(*args, **kwargs))


def _copied(helper: Any, dst: Tensor, src: Any) -> Call:
    if isinstance(src, Tensor):
        return Call(Tensor.copy_, (dst, src))
    return Call(Tensor.fill_, (dst, src))


def _filled(helper: Any, x: Tensor, value: Any) -> Call:
    return Call(Tensor.fill_, (x, value))


def _item(helper: Any, x: Tensor, *key: Any) -> Call:
    if key:
        return read(helper, x, key[0] if len(key) == 1 else key)
    return Call(torch.reshape, (x, ()))


def _same(value: Any) -> Any:
    return value


def _dtype(number: Any) -> torch.dtype:
    return torch.float32 if isinstance(number, np.float32) else torch.float64


def _is_of_interest(result: Any) -> bool:
    """Tell whether a result has a tensor: arrays and floating-point numbers."""
    if isinstance(result, tuple | list):
        return any(map(_is_of_interest, result))
    return isinstance(result, np.ndarray) or type(plain(result)) in NUMBERS


def _holds(value: Any) -> bool:
    kind = type(value)
    return kind is np.ndarray or (
        kind in (tuple, list) and any(type(v) is np.ndarray for v in value)
    )


def _all_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _all_in(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _all_in(inner)
