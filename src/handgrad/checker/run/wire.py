"""A report as JSON between the child that made it and the parent that shows it.

Everything is kept, also what the published JSON leaves out. Never pickle: the child has run a
stranger's code, and unpickling what it sends would run it here too.
"""

from dataclasses import asdict, fields, is_dataclass
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from handgrad.checker.report.report import Report

Record = TypeVar("Record")


def pack(report: Report) -> dict[str, Any]:
    """`report` as plain dicts and lists."""
    return asdict(report)


def unpack(packed: dict[str, Any]) -> Report:
    """The report that `pack` was given."""
    return unpack_as(Report, packed)


def unpack_as(kind: type[Record], packed: dict[str, Any]) -> Record:
    """The record of that kind that `asdict` was given."""
    record: Record = _built(kind, packed)
    return record


def _built(kind: Any, value: Any) -> Any:
    """`value` as the record, tuple or plain value that the annotation `kind` says it was."""
    if is_dataclass(kind):
        kinds = get_type_hints(kind)
        names = [field.name for field in fields(kind) if field.init]
        return kind(**{name: _built(kinds[name], value[name]) for name in names})  # type: ignore[operator]
    if get_origin(kind) is tuple:
        return tuple(_built(get_args(kind)[0], part) for part in value)
    if NoneType in get_args(kind) and value is not None:
        return _built(get_args(kind)[0], value)
    return value
