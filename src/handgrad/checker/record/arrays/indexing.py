"""Reading and writing parts of an array."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from handgrad.checker.record.arrays.rule import Call, Helper, NotFollowed, as_tensor, require

_READ, _WRITE = Tensor.__getitem__, Tensor.__setitem__


def torch_key(key: Any) -> Any:
    """Return an index as torch takes it. Raises NotFollowed for one that torch does not have."""
    if isinstance(key, tuple):
        return tuple(map(torch_key, key))
    if isinstance(key, Tensor):
        return key if key.dtype in (torch.bool, torch.int64) else key.long()
    if isinstance(key, list | range):
        return torch.as_tensor(np.asarray(_plain_list(key)))
    if isinstance(key, slice):
        if key.step is not None and key.step < 0:
            raise NotFollowed
        return slice(*(None if part is None else int(part) for part in _parts(key)))
    if isinstance(key, bool | np.bool_) or key is None or key is Ellipsis:
        return bool(key) if isinstance(key, np.bool_) else key
    if isinstance(key, int | np.integer):
        return int(key)
    raise NotFollowed


def _plain_list(key: Any) -> Any:
    return [int(k) if isinstance(k, Tensor) else k for k in key]


def _parts(key: slice) -> tuple[Any, Any, Any]:
    return key.start, key.stop, key.step


def read(helper: Helper, x: Tensor, key: Any) -> Call:
    """Return what `x[key]` is."""
    try:
        return Call(_READ, (x, torch_key(key)))
    except NotFollowed:
        return Call(read_reversed, (x, *forward_key(x, key)))


def forward_key(x: Tensor, key: Any) -> tuple[Any, tuple[int, ...]]:
    """Return the index with slices that run forward, and the dimensions of its result to flip."""
    parts = key if isinstance(key, tuple) else (key,)
    require(all(isinstance(p, slice | int | np.integer) or p is Ellipsis for p in parts))
    named = len(parts) - (Ellipsis in parts)
    rest = [slice(None)] * (x.dim() - named)
    at = parts.index(Ellipsis) if Ellipsis in parts else len(parts)
    whole = [*parts[:at], *rest, *parts[at + (Ellipsis in parts) :]]
    flips: list[int] = []
    out = 0
    made: list[Any] = []
    for size, part in zip(x.shape, whole, strict=True):
        if isinstance(part, slice):
            steps = range(*part.indices(size))
            if steps.step < 0:
                flips.append(out)
                steps = steps[::-1]
            made.append(slice(steps.start, max(steps.stop, steps.start), steps.step))
            out += 1
        else:
            made.append(int(part))
    return tuple(made), tuple(flips)


def read_reversed(x: Tensor, key: Any, dims: tuple[int, ...]) -> Tensor:
    """Return a part of a tensor with some dimensions in reverse order."""
    return torch.flip(x[key], dims)


def write(helper: Helper, x: Tensor, key: Any, value: Any) -> Call:
    """Return what `x[key] = value` is."""
    if isinstance(value, list | tuple):
        value = as_tensor(value, x)
    try:
        return Call(_WRITE, (x, torch_key(key), value))
    except NotFollowed:
        made, dims = forward_key(x, key)
        return Call(write_reversed_, (x, made, dims, as_tensor(value, x)))


def write_reversed_(x: Tensor, key: Any, dims: tuple[int, ...], value: Tensor) -> None:
    """Write to a part of a tensor with some dimensions in reverse order."""
    x[key] = torch.flip(value.expand(x[key].shape), dims)


def add_at(helper: Helper, x: Tensor, key: Any, value: Any) -> Call:
    """Return what `np.add.at(x, key, value)` is."""
    key = torch_key(key)
    parts = key if isinstance(key, tuple) else (key,)
    tensor = as_tensor(value, x)
    if all(isinstance(part, Tensor) for part in parts):
        return Call(Tensor.index_put_, (x, parts, tensor), {"accumulate": True})
    return Call(add_at_, (x, key, tensor))


def add_at_(x: Tensor, key: Any, value: Tensor) -> None:
    """Add to elements of a tensor, several times where the index names one several times."""
    places = torch.arange(x.numel()).reshape(x.shape)[key]
    flat = value.expand(places.shape).reshape(-1)
    added = torch.zeros(x.numel(), dtype=x.dtype).index_add(0, places.reshape(-1), flat.to(x.dtype))
    x.add_(added.reshape(x.shape))


def take(helper: Helper, a: Tensor, indices: Any, axis: Any = None) -> Call:
    """Return what `np.take` is."""
    index = torch_key(indices)
    if axis is None:
        flat = helper.run(torch.reshape, a, (-1,))
        return Call(_READ, (flat, index))
    return Call(_READ, (a, (*[slice(None)] * (int(axis) % a.dim()), index)))
