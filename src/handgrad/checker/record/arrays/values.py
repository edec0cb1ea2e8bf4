"""The values of a recorded program: arrays and numbers, each with its tensor."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from handgrad.checker.record.arrays.memory import Memory, is_numeric
from handgrad.checker.record.arrays.tracked import NUMBERS, Tracked, is_tracked, plain
from handgrad.checker.record.carriers import mark_array


class Recording(Protocol):
    """The recorder, as this package uses it."""

    @property
    def is_recording(self) -> bool: ...
    def computed(self, func: Any, args: Any, kwargs: Any, result: Any) -> None: ...
    def before_write(self, target: Tensor, inputs: list[Tensor]) -> None: ...
    def failed(self, error: Exception) -> None: ...


class Values:
    """The arrays of one recording, and the memory behind them."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._memory = Memory()

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


def _dtype(number: Any) -> torch.dtype:
    return torch.float32 if isinstance(number, np.float32) else torch.float64


def is_of_interest(result: Any) -> bool:
    """Tell whether a result has a tensor: arrays and floating-point numbers."""
    if isinstance(result, tuple | list):
        return any(map(is_of_interest, result))
    return isinstance(result, np.ndarray) or type(plain(result)) in NUMBERS


def _holds(value: Any) -> bool:
    kind = type(value)
    return kind is np.ndarray or (
        kind in (tuple, list) and any(type(v) is np.ndarray for v in value)
    )


def all_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from all_in(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from all_in(inner)
