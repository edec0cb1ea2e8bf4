"""The lines of a derived backward pass, sorted by the gradient that they compute."""

import ast
from collections.abc import Iterable, Mapping

from handgrad.checker.record.targets import overwritten, written


def by_gradient(lines: Iterable[str], names: Iterable[str]) -> Mapping[str, str]:
    """Return the code for each gradient in `names`, without comments.

    A line that sets another name is a step towards the next gradient, and goes with it.
    """
    wanted = set(names)
    code: dict[str, list[str]] = {}
    waiting: list[str] = []
    for line in lines:
        if line.startswith("#") or not line.strip():
            continue
        waiting.append(line)
        gradients = wanted & _names_set(line)
        if gradients:
            code.setdefault(gradients.pop(), []).extend(waiting)
            waiting = []
    return {name: "\n".join(lines) for name, lines in code.items()}


def _names_set(line: str) -> set[str]:
    """Return the names that a statement sets, or changes in-place."""
    statement = ast.parse(line).body[0]
    changed = overwritten(statement.value) if isinstance(statement, ast.Expr) else []
    return {target.name for target, _ in [*written(statement), *changed]}
