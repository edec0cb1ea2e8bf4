"""The functions that grading needs, as they were before a checked file ran.

A file may put its own functions in the place of torch's, or of handgrad's: by mistake, or to be
graded by them. They are put back before anything is judged.
"""

import builtins
import inspect
import math
import sys
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch

from handgrad.checker.records import REPLACED, Note
from handgrad.text import listed

MESSAGE = "the file replaces {}; it was graded with the original"
MOST_NAMES = 5
OURS = "handgrad"
_OTHERS = ("torch", "torch.autograd", "torch.autograd.graph", "torch.nn.functional", "torch.linalg")


class Originals:
    """Remembers functions and classes, by their owners."""

    def __init__(self) -> None:
        own = [m for name, m in sys.modules.items() if name.split(".")[0] == OURS]
        others = [sys.modules[name] for name in _OTHERS if name in sys.modules]
        owners: list[Any] = [builtins, math, np, *others, torch.Tensor, torch.Generator, *own]
        owners += [one for module in own for one in _classes(module)]
        self._kept = [(owner, _callables(vars(owner))) for owner in owners]
        self._codes = {
            function: function.__code__
            for owner, kept in self._kept
            if _module(owner) == OURS
            for function in kept.values()
            if isinstance(function, FunctionType)
        }

    def put_back(self) -> list[str]:
        """Put back what was replaced, and return its names."""
        replaced: list[str] = []
        for function, code in self._codes.items():
            if function.__code__ is not code:
                function.__code__ = code
                replaced.append(f"{function.__module__}.{function.__qualname__}")
        for owner, kept in self._kept:
            for name, value in _changed(owner, kept):
                setattr(owner, name, value)
                replaced.append(f"{_path(owner)}.{name}")
        for name in [n for n in vars(torch.Tensor) if _shadows(n)]:
            if name not in self._tensor():
                delattr(torch.Tensor, name)
                replaced.append(f"torch.Tensor.{name}")
        return [name for name in replaced if not name.startswith("builtins.")]

    def _tensor(self) -> Mapping[str, Any]:
        return next(kept for owner, kept in self._kept if owner is torch.Tensor)


def replacements(names: list[str]) -> list[Note]:
    """Return a note on the functions that a file replaced, if there are any."""
    shown = listed(names[:MOST_NAMES]) + (" and others" if len(names) > MOST_NAMES else "")
    return [Note(REPLACED, MESSAGE.format(shown))] if names else []


def _callables(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return what can be called, or is read as an attribute of an object."""
    return {n: v for n, v in members.items() if callable(v) or hasattr(type(v), "__get__")}


def _changed(owner: Any, kept: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    now = vars(owner)
    for name, value in kept.items():
        if now.get(name) is not value:
            yield name, value


def _shadows(name: str) -> bool:
    """Tell whether a method of Tensor hides one of its base class."""
    return name in vars(torch._C.TensorBase) and callable(vars(torch.Tensor)[name])


def _classes(module: ModuleType) -> Iterator[type]:
    for value in vars(module).values():
        if inspect.isclass(value) and value.__module__ == module.__name__:
            yield value


def _module(owner: Any) -> str:
    name: str = owner.__name__ if isinstance(owner, ModuleType) else owner.__module__
    return name.split(".")[0]


def _path(owner: Any) -> str:
    if isinstance(owner, ModuleType):
        return owner.__name__
    return f"{owner.__module__}.{owner.__qualname__}"
