"""FUNCTION_CAUSES: every cause in the modules of this folder, in the order in which it is tried."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from handgrad.checker.functions.causes.cause import FunctionCause


def _causes() -> Iterator[FunctionCause]:
    for module in sorted(iter_modules(__path__), key=lambda module: module.name):
        members = vars(import_module(f"{__name__}.{module.name}")).values()
        yield from (member for member in members if isinstance(member, FunctionCause))


FUNCTION_CAUSES = tuple(sorted(_causes(), key=lambda cause: cause.turn))

__all__ = ["FUNCTION_CAUSES", "FunctionCause"]
