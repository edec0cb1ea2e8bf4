"""The lines of a derived backward pass, sorted by the gradient that they compute."""

import ast
from collections.abc import Iterable, Mapping

from handgrad.checker.record.targets import overwritten, written


def by_gradient(lines: Iterable[str], names: Iterable[str]) -> Mapping[str, str]:
    """Return the code for each gradient in `names`, without comments.

    A line that sets another name is a step towards gradients. It goes with the first of them, in
    the order of `names`.
    """
    order = {name: number for number, name in enumerate(names)}
    first_use: dict[str, int] = {}
    placed: list[tuple[int, str]] = []
    for line in reversed([line for line in lines if line.strip() and not line.startswith("#")]):
        names_set = _names_set(line)
        own = [order[name] for name in names_set if name in order]
        uses = own or [first_use[name] for name in names_set if name in first_use]
        if uses:
            placed.append((min(uses), line))
            for name in _names_read(line) - order.keys():
                first_use[name] = min(min(uses), first_use.get(name, len(order)))
    code: dict[int, list[str]] = {}
    for number, line in reversed(placed):
        code.setdefault(number, []).append(line)
    return {name: "\n".join(code[number]) for name, number in order.items() if number in code}


def _names_set(line: str) -> set[str]:
    """Return the names that a statement sets, or changes in-place."""
    statement = ast.parse(line).body[0]
    changed = overwritten(statement.value) if isinstance(statement, ast.Expr) else []
    return {target.name for target, _ in [*written(statement), *changed]}


def _names_read(line: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Name)}
