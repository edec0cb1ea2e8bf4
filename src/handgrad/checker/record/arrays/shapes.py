"""Moving, joining and repeating elements."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from handgrad.checker.record.arrays.indexing import take
from handgrad.checker.record.arrays.rule import Call, Helper, Rule, as_tensor, require, same_dtype


def _sizes(shape: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in shape) if isinstance(shape, tuple | list) else (int(shape),)


def _reshape(helper: Helper, a: Any, shape: Any, order: str = "C") -> Call:
    require(order == "C")
    return Call(torch.reshape, (as_tensor(a), _sizes(shape)))


def _ravel(helper: Helper, a: Any, order: str = "C") -> Call:
    require(order == "C")
    return Call(torch.reshape, (as_tensor(a), (-1,)))


def _transpose(helper: Helper, a: Any, axes: Any = None) -> Call:
    x = as_tensor(a)
    if axes is None and x.dim() <= 2:
        return Call(getattr(Tensor, "T").__get__ if x.dim() == 2 else torch.clone, (x,))  # noqa: B009
    return Call(torch.permute, (x, tuple(range(x.dim()))[::-1] if axes is None else _sizes(axes)))


def _squeeze(helper: Helper, a: Tensor, axis: Any = None) -> Call:
    return Call(torch.squeeze, (a,) if axis is None else (a, _sizes(axis)))


def _expand_dims(helper: Helper, a: Any, axis: Any) -> Call:
    x = as_tensor(a)
    axes = _sizes(axis)
    if len(axes) == 1:
        return Call(torch.unsqueeze, (x, axes[0]))
    full = x.dim() + len(axes)
    sizes, places = list(x.shape), {i % full for i in axes}
    return Call(torch.reshape, (x, tuple(1 if i in places else sizes.pop(0) for i in range(full))))


def _joined(helper: Helper, arrays: Any) -> list[Tensor]:
    arrays = list(arrays) if not isinstance(arrays, Tensor) else list(torch.unbind(arrays))
    return list(same_dtype(helper, *map(as_tensor, arrays)))


def _concatenate(helper: Helper, arrays: Any, axis: Any = 0) -> Call:
    joined = _joined(helper, arrays)
    if axis is None:
        joined, axis = [helper.run(torch.reshape, t, (-1,)) for t in joined], 0
    return Call(torch.cat, (joined, int(axis)))


def _stack(helper: Helper, arrays: Any, axis: int = 0) -> Call:
    return Call(torch.stack, (_joined(helper, arrays), int(axis)))


def _beside(func: Any) -> Rule:
    return lambda helper, tup: Call(func, (_joined(helper, tup),))


def _append(helper: Helper, arr: Any, values: Any, axis: Any = None) -> Call:
    return _concatenate(helper, (as_tensor(arr), as_tensor(values, arr)), axis)


def _split(helper: Helper, ary: Tensor, indices_or_sections: Any, axis: int = 0) -> Call:
    cuts = indices_or_sections
    places = cuts if isinstance(cuts, int) else tuple(int(c) for c in cuts)
    return Call(torch.tensor_split, (ary, places, int(axis)))


def _split_along(dim: int) -> Rule:
    def rule(helper: Helper, ary: Tensor, indices_or_sections: Any) -> Call:
        return _split(helper, ary, indices_or_sections, dim if ary.dim() > dim else 0)

    return rule


def _tile(helper: Helper, A: Any, reps: Any) -> Call:
    return Call(torch.tile, (as_tensor(A), _sizes(reps)))


def _repeat(helper: Helper, a: Any, repeats: Any, axis: Any = None) -> Call:
    repeats = repeats if isinstance(repeats, Tensor) else int(repeats)
    return Call(torch.repeat_interleave, (as_tensor(a), repeats, axis))


def _pad(
    helper: Helper, array: Tensor, pad_width: Any, mode: str = "constant", *,
    constant_values: Any = 0,
) -> Call:  # fmt: skip
    require(mode == "constant" and isinstance(constant_values, int | float))
    wide = np.broadcast_to(np.asarray(pad_width), (array.dim(), 2)).tolist()
    around = [n for pair in reversed(wide) for n in pair]
    return Call(F.pad, (array, around, "constant", constant_values))


def _sliding_window_view(
    helper: Helper, x: Any, window_shape: Any, axis: Any = None, **options: Any
) -> Call:
    tensor, sizes = as_tensor(x), _sizes(window_shape)
    axes = tuple(range(tensor.dim())) if axis is None else _sizes(axis)
    require(len(axes) == len(sizes) and not options.get("subok"))
    for dim, size in zip(axes[:-1], sizes[:-1], strict=True):
        dim %= x.dim()  # each window adds a dimension at the end
        tensor = helper.run(Tensor.unfold, tensor, dim, size, 1)
    return Call(Tensor.unfold, (tensor, axes[-1] % x.dim(), sizes[-1], 1))


def _broadcast_to(helper: Helper, array: Any, shape: Any) -> Call:
    return Call(torch.broadcast_to, (as_tensor(array), _sizes(shape)))


def _flip(helper: Helper, m: Tensor, axis: Any = None) -> Call:
    return Call(torch.flip, (m, tuple(range(m.dim())) if axis is None else _sizes(axis)))


def _roll(helper: Helper, a: Tensor, shift: Any, axis: Any = None) -> Call:
    return Call(torch.roll, (a, shift, axis))


def _where(helper: Helper, condition: Any, x: Any, y: Any) -> Call:
    like = next((v for v in (x, y) if isinstance(v, Tensor)), None)
    mask = as_tensor(condition)
    if mask.dtype != torch.bool:
        mask = helper.run(Tensor.bool, mask)
    if like is None:
        x, y = as_tensor(x), as_tensor(y)
    x, y = (as_tensor(v, like) if isinstance(v, list | tuple) else v for v in (x, y))
    return Call(torch.where, (mask, x, y))


def _clip(
    helper: Helper, a: Any, a_min: Any = None, a_max: Any = None, *,
    min: Any = None, max: Any = None,
) -> Call:  # fmt: skip
    low, high = a_min if min is None else min, a_max if max is None else max
    x = as_tensor(a)
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        low, high = (v if v is None else as_tensor(v, x) for v in (low, high))
    return Call(torch.clamp, (x, low, high))


def _astype(helper: Helper, a: Tensor, dtype: Any, copy: Any = True, **kwargs: Any) -> Call:
    made = torch.from_numpy(np.empty(0, dtype)).dtype
    return Call(Tensor.to, (a, made), {"copy": True})  # in float64 too, so that no write is shared


def _copy(helper: Helper, a: Any, *args: Any, **kwargs: Any) -> Call:
    return Call(torch.clone, (as_tensor(a),))


def _triangle(func: Any) -> Rule:
    return lambda helper, m, k=0: Call(func, (m, int(k)))


def _sort(helper: Helper, a: Tensor, axis: Any = -1, **kwargs: Any) -> Call:
    require(axis is not None)
    return Call(sort, (a, int(axis)))


def sort(x: Tensor, dim: int) -> Tensor:
    """Return the elements in ascending order."""
    return torch.sort(x, dim=dim)[0]


def _along(helper: Helper, arr: Tensor, indices: Any, axis: Any = -1) -> Call:
    return Call(torch.take_along_dim, (arr, as_tensor(indices).long(), axis))


def _at_least(count: int) -> Rule:
    def rule(helper: Helper, x: Any) -> Call:
        x = as_tensor(x)
        missing = count - x.dim()
        return Call(torch.reshape, (x, (*[1] * missing, *x.shape)))

    return rule


def _diff(helper: Helper, a: Tensor, n: int = 1, axis: int = -1) -> Call:
    return Call(torch.diff, (a, int(n), int(axis)))


def _round(helper: Helper, a: Tensor, decimals: int = 0) -> Call:
    return Call(torch.round, (a,), {"decimals": decimals} if decimals else {})


def _move(func: Any) -> Rule:
    return lambda helper, a, *axes: Call(func, (as_tensor(a), *axes))


FUNCTIONS: dict[str, Rule] = {
    "reshape": _reshape, "ravel": _ravel, "flatten": _ravel, "transpose": _transpose,
    "swapaxes": _move(torch.swapaxes), "moveaxis": _move(torch.movedim), "squeeze": _squeeze,
    "expand_dims": _expand_dims, "concatenate": _concatenate, "stack": _stack,
    "hstack": _beside(torch.hstack), "vstack": _beside(torch.vstack),
    "dstack": _beside(torch.dstack), "column_stack": _beside(torch.column_stack),
    "append": _append, "split": _split, "array_split": _split, "vsplit": _split_along(0),
    "hsplit": _split_along(1), "tile": _tile, "repeat": _repeat, "pad": _pad,
    "lib.stride_tricks.sliding_window_view": _sliding_window_view,
    "broadcast_to": _broadcast_to, "flip": _flip, "flipud": lambda helper, m: _flip(helper, m, 0),
    "fliplr": lambda helper, m: _flip(helper, m, 1), "roll": _roll, "where": _where,
    "clip": _clip, "astype": _astype, "copy": _copy, "tril": _triangle(torch.tril),
    "triu": _triangle(torch.triu), "diag": lambda helper, v, k=0: Call(torch.diag, (v, int(k))),
    "diagflat": lambda helper, v, k=0: Call(torch.diagflat, (v, int(k))),
    "diagonal": lambda helper, a: Call(torch.diagonal, (a,)), "sort": _sort,
    "argsort": lambda helper, a, axis=-1, **kwargs: Call(torch.argsort, (a, axis)),
    "take": take, "take_along_axis": _along, "atleast_1d": _at_least(1),
    "atleast_2d": _at_least(2), "diff": _diff, "round": _round, "around": _round,
    "rot90": lambda helper, m, k=1, axes=(0, 1): Call(torch.rot90, (m, k, axes)),
    "real": _copy, "nan_to_num": lambda helper, x: Call(torch.nan_to_num, (x,)),
}  # fmt: skip
