"""What a table entry returns: the torch function to record for an operation of NumPy's."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor


class Call(NamedTuple):
    """A torch function (or one of ours) and its arguments."""

    func: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = {}


class NotFollowed(Exception):
    """Raised by a rule for arguments that it does not know."""


class Helper(Protocol):
    """Runs and records a torch function that a rule needs in between."""

    def run(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...


Rule = Callable[..., Call]
"""Takes a Helper and NumPy's arguments, with tensors for arrays; raises NotFollowed, TypeError."""


def require(is_known: bool) -> None:
    """Raise NotFollowed unless `is_known`."""
    if not is_known:
        raise NotFollowed


def as_tensor(value: Any, like: Tensor | None = None) -> Tensor:
    """Return a tensor; numbers and lists become constants of the dtype of `like`."""
    if isinstance(value, Tensor):
        return value
    dtype = like.dtype if like is not None and like.is_floating_point() else None
    if dtype is None and _has_float(value):
        dtype = torch.float64
    if isinstance(value, list | tuple) and any(isinstance(v, Tensor) for v in value):
        return torch.stack([as_tensor(v, like) for v in value])
    return torch.tensor(value, dtype=dtype)


def _has_float(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_has_float, value))
    return isinstance(value, float)


def floating(helper: Helper, value: Any) -> Any:
    """Return an integer or boolean tensor in float64, as NumPy computes with it."""
    if isinstance(value, Tensor) and not value.is_floating_point() and not value.is_complex():
        return helper.run(Tensor.to, value, torch.float64)
    return value


def same_dtype(helper: Helper, *values: Tensor) -> tuple[Tensor, ...]:
    """Return tensors in their common dtype, as NumPy multiplies them."""
    dtype = values[0].dtype
    for value in values[1:]:
        dtype = torch.promote_types(dtype, value.dtype)
    return tuple(v if v.dtype == dtype else helper.run(Tensor.to, v, dtype) for v in values)


def axes_of(axis: Any) -> Any:
    """Return an axis, or axes, as torch takes them."""
    return tuple(int(a) for a in axis) if isinstance(axis, tuple | list) else int(axis)
