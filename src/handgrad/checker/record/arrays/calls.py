"""An operation of NumPy's: NumPy computes, and the torch function that matches it is recorded."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from handgrad.checker.record.arrays.elementwise import IN_PLACE, UFUNCS, outer_ufunc
from handgrad.checker.record.arrays.indexing import add_at, read, write
from handgrad.checker.record.arrays.memory import is_numeric
from handgrad.checker.record.arrays.reductions import ACCUMULATED, REDUCED
from handgrad.checker.record.arrays.rule import Call, NotFollowed, Rule
from handgrad.checker.record.arrays.table import CONSTANT, FUNCTIONS
from handgrad.checker.record.arrays.tracked import (
    NUMBERS,
    plain,
    plainly,
    stripped,
)
from handgrad.checker.record.arrays.unfollowed import Unfollowed, label_of
from handgrad.checker.record.arrays.values import Values, all_in, is_of_interest

_NUMBERS = (bool, int, float, complex, np.generic)


class Arrays(Values):
    """Follows the arrays of one recording."""

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
        if not self._recording.is_recording or not is_of_interest(result):
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
        return Call(Unfollowed(label), tuple(all_in((given, named))))

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
                self._recording.before_write(tensor, list(all_in((call.args, call.kwargs))))
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
