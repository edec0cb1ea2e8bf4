"""The lines of a derived backward pass, each under the gradient that it makes."""

import ast
from collections.abc import Iterable, Mapping

from handgrad.checker.record.targets import overwritten, written


def by_gradient(lines: Iterable[str], names: Iterable[str]) -> Mapping[str, str]:
    """Return, by the gradient's name, the code that makes it; comments are left out.

    What a line sets that is none of `names` is a step on the way to the next that is.
    """
    wanted = set(names)
    found: dict[str, list[str]] = {}
    waiting: list[str] = []
    for line in lines:
        if line.startswith("#") or not line.strip():
            continue
        waiting.append(line)
        made = wanted & _made(line)
        if made:
            found.setdefault(made.pop(), []).extend(waiting)
            waiting = []
    return {name: "\n".join(code) for name, code in found.items()}


def _made(line: str) -> set[str]:
    """The names that a statement sets, or changes in place."""
    statement = ast.parse(line).body[0]
    changed = overwritten(statement.value) if isinstance(statement, ast.Expr) else []
    return {target.name for target, _ in [*written(statement), *changed]}
