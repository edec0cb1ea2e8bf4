"""A tensor over the memory of each array, so that a write through one is seen through the other."""

import warnings
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from handgrad.checker.record.carriers import mark_array
from handgrad.checker.record.trace import key_of

DTYPES = {np.dtype(kind) for kind in "?bhilqefdFDB"}
"""The dtypes that torch has too, in the machine's byte order."""


def is_numeric(array: Any) -> bool:
    """Tell whether a tensor can have the array's dtype and layout."""
    return array.dtype in DTYPES and array.dtype.isnative and _is_aligned(array)


def _is_aligned(array: Any) -> bool:
    return all(stride % array.itemsize == 0 for stride in array.strides)


class Memory:
    """The tensors of arrays, by the array that owns the memory."""

    def __init__(self) -> None:
        self._tensors: WeakValueDictionary[int, Tensor] = WeakValueDictionary()

    def known(self, array: Any) -> Tensor | None:
        """Return the tensor over the memory that `array` is a view of, if there is one."""
        owner = owner_of(array)
        return owner if isinstance(owner, Tensor) else self._tensors.get(id(owner))

    def tensor(self, array: Any) -> Tensor:
        """Return the tensor over the array's memory; over a copy where torch has no such view."""
        owner = owner_of(array)
        base = self.known(array)
        if base is None:
            base = _from_numpy(owner)
            if owner.flags.writeable:
                self._tensors[id(owner)] = base
        return mark_array(base) if _is_whole(array, owner) else self.view(array, base)

    def apart(self, array: Any, tensor: Tensor) -> Tensor | None:
        """Return the tensor over the array's memory where `tensor` is a copy (`x[::-1]`)."""
        base = self.known(array)
        return base if base is not None and key_of(base) != key_of(tensor) else None

    def view(self, array: Any, base: Tensor | None = None) -> Tensor:
        """Return a new tensor over a part of memory that is known, or all of it."""
        base = self.known(array) if base is None else base
        assert base is not None
        view = _window(base, array)
        return mark_array(_from_numpy(array.copy()) if view is None else view)


def owner_of(array: Any) -> Any:
    """Return the array (a tensor after x.numpy()) whose memory this one is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.base if isinstance(array.base, Tensor) else array


def _is_whole(array: Any, owner: Any) -> bool:
    if isinstance(owner, Tensor):
        return False
    same = array.shape == owner.shape and array.strides == owner.strides
    return same and _start(array) == _start(owner)


def _window(base: Tensor, array: Any) -> Tensor | None:
    """Return the part of `base` that the array is; None where torch has no such view."""
    if any(stride < 0 for stride in array.strides) or array.itemsize != base.element_size():
        return None
    offset = _start(array) - base.data_ptr() + base.storage_offset() * base.element_size()
    strides = [stride // array.itemsize for stride in array.strides]
    with torch.no_grad():
        view = base.as_strided(array.shape, strides, offset // array.itemsize)
    view.handgrad_base = base  # type: ignore[attr-defined]  # the base must stay known
    return view


def _start(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def _from_numpy(array: Any) -> Tensor:
    array = array.view(np.ndarray)
    if any(stride < 0 for stride in array.strides) or not _is_aligned(array):
        array = array.copy()
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about memory that nobody may write to
        return torch.from_numpy(array.copy())
