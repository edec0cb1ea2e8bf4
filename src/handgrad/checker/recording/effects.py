"""What torch functions write to, and what a name holds."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.recording.instrument import Kind
from handgrad.checker.recording.trace import tensors_in

_RUNNING = ("batch_norm", "instance_norm")
"""Functions that update running statistics, whatever their names say."""

MANY = 256
"""A collection of more tensors than this is data, not parameters."""


def version_of(value: Tensor) -> int:
    """Return the counter that every write in place raises; tensors of one memory share it."""
    return -1 if value.is_inference() else value._version


def rng_state(device: torch.device) -> Tensor:
    """Return the state of the random numbers that functions on `device` draw from."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def set_rng_state(device: torch.device, state: Tensor) -> None:
    """Have functions on `device` draw from `state` on."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)


def targets_of(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """Return the tensors that a function is about to write to, by the field's conventions."""
    if name.endswith("_") and not name.endswith("__"):
        return list(tensors_in(args[:1]))
    if name == "__setitem__" or (name.startswith("__i") and name.endswith("__")):
        return list(tensors_in(args[:1]))
    if name == "__set__" or name in _RUNNING or kwargs.get("inplace"):
        return list(tensors_in(args))
    return list(tensors_in(kwargs.get("out", ())))


def named_in(name: str, kind: Kind, keyed: bool, value: Any) -> list[tuple[str, Kind, Tensor]]:
    """Return the named tensors that a target holds: itself, an element set, a whole collection."""
    if not keyed:
        if isinstance(value, Tensor):
            return [(name, kind, value)]
        return _elements(name, value) if isinstance(value, list | dict) else []
    container, key = value
    if isinstance(container, Tensor):
        return [(name, "update", container)]
    element = container[key] if isinstance(container, list | dict) else None
    return [(f"{name}[{key!r}]", kind, element)] if isinstance(element, Tensor) else []


def _elements(name: str, value: list[Any] | dict[Any, Any]) -> list[tuple[str, Kind, Tensor]]:
    if not value or len(value) > MANY:
        return []
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    return [(f"{name}[{key!r}]", "assign", t) for key, t in items if isinstance(t, Tensor)]
