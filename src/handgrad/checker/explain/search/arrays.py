"""The values of a NumPy program's scene: arrays for the line that runs, tensors for the rest."""

from typing import Any

import torch
from torch import Tensor

from handgrad.checker.record.carriers import is_array


def as_given(user: Tensor, stand_in: Tensor) -> Any:
    """Return a stand-in as the user's line reads it: an array where the user has an array."""
    return as_array(stand_in) if is_array(user) else stand_in


def as_array(value: Any) -> Any:
    """Return a tensor as the array, or number, over its memory."""
    if not isinstance(value, Tensor):
        return value
    return value.detach().resolve_conj().numpy() if value.dim() else value.detach().numpy()[()]


def as_result(value: Any) -> Any:
    """Return an array or number of NumPy's as a tensor."""
    if isinstance(value, Tensor):
        return value.detach()
    if type(value).__module__ != "numpy" or not hasattr(value, "dtype"):
        return value
    try:
        return torch.as_tensor(value if value.shape else value.item(), dtype=_dtype(value))
    except (TypeError, ValueError):  # a dtype or strides that torch does not have
        return torch.as_tensor(value.copy())


def _dtype(value: Any) -> torch.dtype | None:
    return None if value.shape else {"float32": torch.float32}.get(str(value.dtype), torch.float64)
