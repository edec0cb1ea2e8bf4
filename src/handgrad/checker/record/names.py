"""Which names the memory of each tensor has, and which memory was written to."""

from collections.abc import Iterable, Iterator, Sequence
from types import NoneType
from typing import Any

from torch import Tensor

from handgrad.checker.record.asking import edge_of
from handgrad.checker.record.call import Call
from handgrad.checker.record.carriers import tensor_of
from handgrad.checker.record.effects import version_of
from handgrad.checker.record.gradient_names import LIKELY
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.scope import Scope, attributes
from handgrad.checker.record.targets import Kind, Target
from handgrad.checker.record.trace import Bind, Event, Trace, key_of

MANY = 256
"""A collection of more tensors than this is data, not parameters."""


class Names:
    """Records in the trace which tensors get names, and which are changed through other names."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._named: dict[int, dict[str, Bind]] = {}
        self._versions: dict[int, int] = {}
        self.written: dict[int, None] = {}
        """The memory written to since the last statement, in order."""

    def see(self, value: Tensor) -> None:
        """Keep its memory alive, and notice from now on when it is written to."""
        self._versions.setdefault(key_of(value), version_of(value))
        self._trace.pin(value)

    def is_as_seen(self, value: Tensor) -> bool:
        """Tell whether nothing but the recorded operations has made or written to its memory."""
        return self._versions.get(key_of(value)) == version_of(value)

    def stale(self, values: Iterable[Tensor]) -> tuple[Tensor, ...]:
        """Return the values whose memory is new or was written to since it was last seen."""
        return tuple(t for t in values if self._versions.get(key_of(t)) != version_of(t))

    def touched(self, values: Iterable[Tensor]) -> bool:
        """Tell whether known memory was written to while nothing was recorded."""
        known = ((self._versions.get(key_of(v)), v) for v in values)
        return any(version is not None and version != version_of(v) for version, v in known)

    def given(self, keys: Iterable[int], values: Iterable[Tensor]) -> Iterator[Tensor]:
        """Note what a function returned or wrote to; yield the tensors with new memory."""
        for key, value in zip(keys, values, strict=True):
            if key not in self._versions:
                self.see(value)
                yield value
            elif self._versions[key] != version_of(value):
                self._versions[key] = version_of(value)
                self.written[key] = None

    def clear(self) -> None:
        """Forget everything."""
        self._versions.clear()
        self.written.clear()
        self._named.clear()

    def has(self, value: Tensor) -> bool:
        """Tell whether its memory has a name."""
        return bool(self._named.get(key_of(value)))

    def calls(self, old: Tensor, name: str, value: Tensor) -> bool:
        """Tell whether `name` refers to the memory of `old`; `value` is what it is set to now."""
        return key_of(old) == key_of(value) or name in self._named.get(key_of(old), ())

    def keep(self, events: Sequence[Event], memory: set[int]) -> None:
        """Forget everything but these events and this memory."""
        binds = {id(event) for event in events}
        self._versions = {key: v for key, v in self._versions.items() if key in memory}
        named = {
            key: {name: bind for name, bind in others.items() if id(bind) in binds}
            for key, others in self._named.items()
            if key in memory
        }
        self._named = {key: others for key, others in named.items() if others}

    def changed(
        self,
        statement: Statement,
        named: Sequence[tuple[str, Kind, Tensor]],
        scope: Scope | None,
        call: Call | None = None,
    ) -> None:
        """Record the names that a statement set, and those that it changed through other names."""
        assigned = {name for name, _, _ in named}
        for key in self.written:
            for bind in list(self._named.get(key, {}).values()):
                if bind.name not in assigned:
                    self.bind(bind.name, "update", bind.value, statement, scope, True, call)
        self.written.clear()
        grows = any(target.grows for target in statement.targets)
        for name, kind, value in named:
            if grows and (self.has(value) or value.dim() == 0):
                continue  # a list of losses, or of what has a name already
            self.bind(name, kind, value, statement, scope, call=call)

    def bind(
        self,
        name: str,
        kind: Kind,
        value: Tensor,
        statement: Statement,
        scope: Scope | None = None,
        alias: bool = False,
        call: Call | None = None,
    ) -> None:
        """Record that `name` refers to `value` from a statement on."""
        if kind == "assign" and "[" in name and self._named.get(key_of(value)):
            kind = "param"  # the elements of the collection have names already
        own = self._named.get(key_of(value)) if kind == "param" else None
        for others in self._named.values():
            if others is not own and name in others and not _is_kept(others[name], call):
                del others[name]
        old = self._named.get(key_of(value), {}).get(name) if alias else None
        home = call if old is None else old.home
        self._versions.setdefault(key_of(value), version_of(value))
        edge = edge_of(value)
        bind = Bind(len(self._trace), name, value, kind, statement, edge, alias, scope, call, home)
        self._trace.events.append(bind)
        self._trace.shapes[name] = value.shape
        self._trace.pin(value)
        if kind != "param":  # a second name, valid only in its loop or function
            self._named.setdefault(key_of(value), {})[name] = bind


def _is_kept(bind: Bind, call: Call | None) -> bool:
    """Tell whether another object has the tensor under this name: `self.W` of each of two layers.

    Those are its parameters, which it got when it was made; what it computes gets new names.
    """
    home = bind.home
    if home is None or home.owner is None or not home.function.endswith("__init__"):
        return False
    if LIKELY.fullmatch(bind.name) or (call is not None and call.owner is home.owner):
        return False
    kept = (attributes(home.owner) or {}).values()
    return any(tensor_of(value) is bind.value for value in kept)


def may_hold(value: Any) -> bool:
    """Tell whether a value may hold tensors: numbers do not."""
    return not isinstance(value, int | float | str | NoneType)


def named_in(target: Target, value: Any) -> list[tuple[str, Kind, Tensor]]:
    """Return the named tensors of a target: itself, an element, or a whole collection."""
    name, kind = target.name, target.kind
    if target.keyed:
        return _element(name, kind, tensor_of(value[0]), value[1])
    if target.grows:
        return _elements(name, value) if isinstance(value, list | dict) else []
    if target.owned:
        value = tensor_of(getattr(value, "grad", None))
    if isinstance(value, Tensor):
        return [(name, kind, value)]
    if isinstance(value, list | dict):
        return _elements(name, value)
    # p.data -= lr * p.grad, where p is a parameter of the user's own class
    data = attributes(value) if kind == "update" and value is not None else None
    inner = None if data is None else tensor_of(data.get("data"))
    return [(f"{name}.data", kind, inner)] if isinstance(inner, Tensor) else []


def _element(name: str, kind: Kind, container: Any, key: Any) -> list[tuple[str, Kind, Tensor]]:
    if isinstance(container, Tensor):
        return [(name, "update", container)]
    element = tensor_of(container[key]) if isinstance(container, list | dict) else None
    return [(f"{name}[{key!r}]", kind, element)] if isinstance(element, Tensor) else []


def _elements(name: str, value: list[Any] | dict[Any, Any]) -> list[tuple[str, Kind, Tensor]]:
    if not value or len(value) > MANY:
        return []
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    items = [(key, tensor_of(element)) for key, element in pairs]
    return [(f"{name}[{key!r}]", "assign", t) for key, t in items if isinstance(t, Tensor)]
