"""What torch functions write to."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from handgrad.check.trace import tensors_in

_RUNNING = ("batch_norm", "instance_norm")
"""Functions that update running statistics, whatever their names say."""


def version_of(value: Tensor) -> int:
    """Return the counter that every write in place raises; tensors of one memory share it."""
    return -1 if value.is_inference() else value._version


def targets_of(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """Return the tensors that a function is about to write to, by the field's conventions."""
    if name.endswith("_") and not name.endswith("__"):
        return list(tensors_in(args[:1]))
    if name == "__setitem__" or (name.startswith("__i") and name.endswith("__")):
        return list(tensors_in(args[:1]))
    if name == "__set__" or name in _RUNNING or kwargs.get("inplace"):
        return list(tensors_in(args))
    return list(tensors_in(kwargs.get("out", ())))
