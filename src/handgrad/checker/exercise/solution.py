"""The lines of a derived backward pass, sorted by the gradient that they compute."""

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from handgrad.checker.record.targets import overwritten, written


def by_gradient(lines: Iterable[str], names: Iterable[str]) -> Mapping[str, str]:
    """Return the code for each gradient in `names`, without comments.

    The code runs in the order of `names`. A line that sets another name is a step towards some of
    these gradients, and goes with the first one that needs it.
    """
    statements = [_read(line) for line in lines if line.strip() and not line.startswith("#")]
    wanted = list(names)
    placed: set[int] = set()
    code: dict[str, str] = {}
    for name in wanted:
        chosen: list[int] = []
        for number in (i for i, one in enumerate(statements) if name in one.sets):
            needed = [*_steps(statements, number, set(wanted)), number]
            chosen += [i for i in needed if i not in placed]
            placed.update(needed)
        if chosen:
            code[name] = "\n".join(statements[i].text for i in chosen)
    return code


@dataclass(frozen=True)
class _Statement:
    text: str
    sets: frozenset[str]
    """The names that it sets, or changes in-place."""
    reads: frozenset[str]


def _read(line: str) -> _Statement:
    statement = ast.parse(line).body[0]
    changed = overwritten(statement.value) if isinstance(statement, ast.Expr) else []
    sets = {target.name for target, _ in [*written(statement), *changed]}
    reads = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    return _Statement(line, frozenset(sets), frozenset(reads))


def _steps(statements: Sequence[_Statement], number: int, wanted: set[str]) -> list[int]:
    """Return the steps above a statement that it needs, in order."""
    missing = set(statements[number].reads - wanted)
    steps: list[int] = []
    for above in reversed(range(number)):
        one = statements[above]
        if one.sets & missing and not one.sets & wanted:
            missing |= one.reads - wanted
            steps.append(above)
    return steps[::-1]
