"""What runs below a statement that raised: gradients that need nothing of what it lost.

Python ends there. A check goes on with the assignments at the top level that read only names which
exist and were not lost, so that one mistake does not hide the verdicts on all that follows.
"""

import ast
import builtins
from collections.abc import Iterator
from typing import Any

from handgrad.checker.record.targets import HOOK
from handgrad.checker.records import CellError
from handgrad.checker.run.failure import describe

_Assignment = ast.Assign | ast.AugAssign | ast.AnnAssign


def go_on(
    tree: ast.Module, error: CellError, names: dict[str, Any], filename: str
) -> list[CellError]:
    """Run what can run below the statement of `tree` that raised; return the further errors.

    `tree` has the hooks of the recording in it: calls that follow their statements.
    """
    groups = list(_groups(tree))
    failed = next((g for g in groups if _holds(g[0], error.line)), None)
    if failed is None or not isinstance(failed[0], _Assignment | ast.Expr):
        return []
    lost, errors = set(_targets(failed[0])), []
    for group in groups[groups.index(failed) + 1 :]:
        statement = group[0]
        if not isinstance(statement, _Assignment):
            continue
        read = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
        bound = set(_targets(statement))
        known = names.keys() | vars(builtins).keys()
        fresh = bound if isinstance(statement, ast.Assign) and _binds_names(statement) else set()
        if read & lost - fresh or read - bound - known:
            lost |= bound
            continue
        code = compile(ast.Module(list(group), []), filename, "exec", dont_inherit=True)
        try:
            exec(code, names)
            lost -= fresh
        except Exception as later:
            errors.append(describe(later, filename, error.cell))
            lost |= bound
    return errors


def _groups(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """Yield each statement at the top level with the hooks that follow it."""
    group: list[ast.stmt] = []
    for statement in tree.body:
        if group and _is_hook(statement):
            group.append(statement)
            continue
        if group:
            yield group
        group = [statement]
    if group:
        yield group


def _is_hook(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and any(
        isinstance(node, ast.Name) and node.id == HOOK for node in ast.walk(statement)
    )


def _holds(statement: ast.stmt, line: int | None) -> bool:
    return line is not None and statement.lineno <= line <= (statement.end_lineno or 0)


def _targets(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement sets, or changes under an index or attribute."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    else:
        target = getattr(statement, "target", None)  # of an expression: none
        targets = [] if target is None else [target]
    for target in targets:
        for node in ast.walk(target):
            if isinstance(node, ast.Name):
                yield node.id
                break
        if isinstance(target, ast.Tuple | ast.List):
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def _binds_names(statement: ast.Assign) -> bool:
    """Tell whether it makes new values, rather than changing a part of one."""
    read = {n.id for n in ast.walk(statement.value) if isinstance(n, ast.Name)}
    return all(isinstance(t, ast.Name) and t.id not in read for t in statement.targets)
