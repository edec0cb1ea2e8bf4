"""One tensor put in the place of another in what an event holds."""

from typing import Any

from torch import Tensor


def swap(event: Any, old: Tensor, new: Tensor) -> None:
    """Put `new` in the place of `old` in everything that the event holds."""
    for name in event.__slots__:
        if name not in ("scope", "statement", "edge", "gradients", "ran_in"):
            setattr(event, name, swapped(getattr(event, name), old, new))


def swapped(value: Any, old: Tensor, new: Tensor) -> Any:
    if value is old:
        return new
    if type(value) in (tuple, list):
        return type(value)(swapped(element, old, new) for element in value)
    if type(value) is dict:
        return {key: swapped(element, old, new) for key, element in value.items()}
    return value
