"""The values of names while the user's code ran, so that a line, or another, can be run again."""

import builtins
import re
from collections.abc import Mapping
from types import FrameType, ModuleType
from typing import Any

from torch import Tensor, nn

from handgrad.checker.record.targets import HOOK

FIRST = 2
"""How many of the first executions of a statement keep their scope; the latest does as well."""
MANY = 256
"""A larger collection is data: it is not copied, and its later contents count."""
_PLAIN = (int, float, complex, str, bytes, type(None))


class Scope:
    """The names of one frame at one moment: locals over globals, by reference.

    `local` are the names of the frame of a function, `mentioned` the others that its code mentions.
    `held` has copies of the collections and objects whose names are in `read`, by id. `loops` maps
    the lines of the frame's running loops to the scopes in which they began.
    """

    __slots__ = ("held", "local", "loops", "mentioned", "names", "paths")

    def __init__(self, frame: FrameType, read: frozenset[str] = frozenset()) -> None:
        inner, outer = frame.f_locals, frame.f_globals
        self.names: dict[str, Any] = dict(inner) if inner is outer else {**outer, **inner}
        self.names.pop(HOOK, None)
        self.local = frozenset[str]() if inner is outer else frozenset(inner) - {HOOK}
        self.mentioned = frozenset(frame.f_code.co_names)
        self.loops: Mapping[int, Scope] = {}
        self.held: dict[int, Any] = {}
        self.paths: Mapping[int, str] | None = None
        """How the function refers to each tensor, by its id, once that was looked for."""
        for name in read:
            value = self.names.get(name)
            if not isinstance(value, _PLAIN) and (held := contents(value)) is not None:
                self.held[id(value)] = held

    def visible(self) -> dict[str, Any]:
        """Return the names that a new line there may use; in a function, its own names come first.

        Of the others, a function's line may use functions and modules, and what its code mentions.
        """
        if not self.local:
            return self.names
        local = {name: self.names[name] for name in self.local if name in self.names}
        outer = {n: v for n, v in self.names.items() if n not in local}
        return local | {n: v for n, v in outer.items() if n in self.mentioned or callable(v)
                        or isinstance(v, ModuleType)}  # fmt: skip

    def forget(self) -> None:
        """Release everything."""
        self.names, self.held, self.loops, self.paths = {}, {}, {}, None


class Scopes:
    """The scopes kept for each statement, by its number."""

    def __init__(self) -> None:
        self._kept: dict[int, list[Scope]] = {}
        self._read: dict[int, frozenset[str]] = {}

    def of(self, frame: FrameType, number: int, text: str) -> Scope:
        """Return the scope of `frame` now that statement `number` has run in it."""
        kept = self._kept.setdefault(number, [])
        if number not in self._read:
            self._read[number] = frozenset(re.findall(r"[^\W\d]\w*", text))
        if len(kept) > FIRST:
            kept.pop().forget()
        kept.append(Scope(frame, self._read[number]))
        return kept[-1]


def contents(value: Any) -> Any:
    """Return a copy of a small collection, or of an object's attributes; None for anything else.

    Calls no code of the user's.
    """
    if type(value) in (list, dict):
        return value.copy() if len(value) <= MANY else None
    return attributes(value)


def attributes(value: Any) -> dict[str, Any] | None:
    """Return the attributes of an object of a user's class, or of a user's class or module.

    None for anything else. Calls no code of the user's: neither a property nor __getattr__.
    """
    if isinstance(value, type | ModuleType):
        members = dict(vars(value))
        return members if not _foreign(value) and len(members) <= MANY else None
    kind = type(value)
    if _foreign(kind) and not isinstance(value, nn.Module):
        return None
    try:
        instance = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    if type(instance) is not dict or len(instance) > MANY:
        return None
    every: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if not _foreign(base):
            every |= {k: v for k, v in vars(base).items() if isinstance(v, int | float | Tensor)}
    every |= instance
    if isinstance(value, nn.Module):
        for inner in ("_buffers", "_parameters", "_modules"):
            every |= instance.get(inner) or {}
    return every


def _foreign(value: type | ModuleType) -> bool:
    """Tell whether it comes with Python, torch or NumPy."""
    module = value.__name__ if isinstance(value, ModuleType) else value.__module__
    known = getattr(builtins, getattr(value, "__qualname__", ""), None) is value
    return known or module.split(".")[0] in ("torch", "numpy", "math")
