"""Records as JSON between the child that makes them and the parent that shows them.

Every field is kept, also those that the published JSON leaves out. Never pickle: the child has run
a stranger's code, and unpickling what it sends would run that code here. For the same reason every
value must have the type of its field.
"""

from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")
DEEPEST = 12
"""Records hold records and tuples, a few levels deep."""


class MalformedError(Exception):
    """What was sent is not the record that it should be."""


def unpack(kind: type[Record], packed: Any) -> Record:
    """Return the record of that type that `asdict` was given.

    Raises MalformedError if `packed` is not one.
    """
    return _value(kind, packed)  # type: ignore[no-any-return]


def _value(kind: Any, packed: Any, depth: int = 0) -> Any:
    """Return `packed` as the record, tuple or plain value that the annotation `kind` names."""
    origin, depth = get_origin(kind), depth + 1
    if depth > DEEPEST:
        raise MalformedError
    if is_dataclass(kind) and type(packed) is dict:
        kinds = get_type_hints(kind)
        names = [field.name for field in fields(kind) if field.init]
        if not packed.keys() >= set(names):
            raise MalformedError
        return kind(**{name: _value(kinds[name], packed[name], depth) for name in names})  # type: ignore[operator]
    if origin is tuple and type(packed) in (list, tuple):
        return _tuple(get_args(kind), packed, depth)
    if origin is Literal and type(packed) is str and packed in get_args(kind):
        return packed
    if origin in (Union, UnionType):
        return _one_of(get_args(kind), packed, depth)
    if kind is float and type(packed) is int and abs(packed) < 2**63:
        return float(packed)
    if kind in (str, int, float, bool, NoneType) and type(packed) is kind:
        return packed
    raise MalformedError


def _tuple(kinds: tuple[Any, ...], packed: Any, depth: int) -> tuple[Any, ...]:
    if kinds[-1] is ...:
        return tuple(_value(kinds[0], part, depth) for part in packed)
    if len(kinds) != len(packed):
        raise MalformedError
    return tuple(_value(k, part, depth) for k, part in zip(kinds, packed, strict=True))


def _one_of(kinds: tuple[Any, ...], packed: Any, depth: int) -> Any:
    """Return `packed` as the first of these that it can be."""
    for kind in kinds:
        try:
            return _value(kind, packed, depth)
        except MalformedError:
            continue
    raise MalformedError
