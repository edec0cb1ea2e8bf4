"""Records as JSON between the child that makes them and the parent that shows them.

Every field is kept, also those that the published JSON leaves out. Never pickle: the child has run
a stranger's code, and unpickling what it sends would run that code here.
"""

from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


def unpack(kind: type[Record], packed: dict[str, Any]) -> Record:
    """Return the record of that type that `asdict` was given."""
    return _value(kind, packed)  # type: ignore[no-any-return]


def _value(kind: Any, packed: Any) -> Any:
    """Return `packed` as the record, tuple or plain value that the annotation `kind` names."""
    if is_dataclass(kind):
        kinds = get_type_hints(kind)
        names = [field.name for field in fields(kind) if field.init]
        return kind(**{name: _value(kinds[name], packed[name]) for name in names})  # type: ignore[operator]
    if get_origin(kind) is tuple:
        return tuple(_value(get_args(kind)[0], part) for part in packed)
    if NoneType in get_args(kind) and packed is not None:
        return _value(get_args(kind)[0], packed)
    return packed
