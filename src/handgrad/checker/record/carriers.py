"""Values that stand for a tensor: the arrays of a NumPy program while it is recorded.

Only record/arrays/ knows NumPy. It enters its classes here, so that a program that never uses
NumPy pays for one look-up.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

CARRIERS: dict[type, Callable[[Any], Any]] = {}
"""How to read the tensor that a value of each class stands for."""


def tensor_of(value: Any) -> Any:
    """Return the tensor that a value stands for, or the value itself."""
    read = CARRIERS.get(type(value))
    return value if read is None else read(value)


def mark_array(tensor: Tensor) -> Tensor:
    """Note on the tensor object that the user's program holds a NumPy array for it."""
    tensor.handgrad_array = True  # type: ignore[attr-defined]
    return tensor


def is_array(tensor: Any) -> bool:
    """Tell whether the user's program holds a NumPy array for this tensor."""
    return getattr(tensor, "handgrad_array", False) is True
