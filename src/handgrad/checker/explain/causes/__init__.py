"""CAUSES: why a line is wrong, one file each, tried in the order that they give themselves.

A cause is a module with CODE, NAME, its place ORDER, and a docstring with What / Why / Wrong /
Right that `handgrad explain` prints. A cause that is an edit of the line has EDITS: rules of the
grammar, each with its message. Any other has `find`, a pure function from the evidence about one
statement to a Finding or None. A finding is verified: its line has been run instead of the user's
and gives the correct gradient, or its explanation, applied to the correct gradient, gives the
user's.
"""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from types import ModuleType

from handgrad.checker.explain.causes import (
    missing_branch,
    precision,
    upstream_missing,
    wrong_operand,
)
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar.edit import edited
from handgrad.checker.explain.search.suspect import Suspect


@dataclass(frozen=True)
class Cause:
    """One row of the table; `page` is the docstring of its `file`."""

    file: str
    code: str
    name: str
    page: str
    find: Callable[[Suspect], Finding | None]


def _cause(module: ModuleType) -> Cause:
    find = module.find if hasattr(module, "find") else partial(edited, rules=module.EDITS)
    file = module.__name__.rpartition(".")[2]
    return Cause(file, module.CODE, module.NAME, module.__doc__ or "", find)


_MODULES = [import_module(f"{__name__}.{file.name}") for file in pkgutil.iter_modules(__path__)]

CAUSES: tuple[Cause, ...] = tuple(
    map(_cause, sorted(_MODULES, key=lambda module: int(module.ORDER)))
)

AS_IT_RAN = replace(_cause(precision), find=precision.of_right_formula)
"""For a correct line whose value was wrong: only the dtype is left as the cause."""

LATE = (
    replace(_cause(upstream_missing), find=upstream_missing.unread),
    replace(_cause(wrong_operand), find=wrong_operand.computed),
    replace(_cause(missing_branch), find=missing_branch.joined),
)
"""For a line that no cause explains: it reads no gradient, and one is due; it computes something
where a tensor belongs; a sum lacks a tensor."""
