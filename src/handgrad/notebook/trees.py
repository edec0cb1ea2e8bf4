"""Changes to a cell's syntax tree beyond the hooks that a checked file gets."""

import ast

from handgrad.checker.record.targets import HOOK

_ASSIGNMENTS = (ast.Assign, ast.AugAssign, ast.AnnAssign)


def hook_imports(tree: ast.Module) -> None:
    """Put a hook after each top-level import: one of them may import torch."""
    tree.body = [part for node in tree.body for part in _hooked(node)]


def _hooked(node: ast.stmt) -> list[ast.stmt]:
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return [node]
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return [node]
    call = ast.parse(f"{HOOK}.imported()").body[0]
    for part in ast.walk(call):
        ast.copy_location(part, node)
    return [node, call]


def assigned(tree: ast.Module) -> ast.Expr | None:
    """Return the expression that shows the last assignment, for IPython's `last_expr_or_assign`.

    IPython looks at the last statement, which is a hook once the tree has been instrumented.
    """
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, _ASSIGNMENTS):
        return None
    targets = last.targets if isinstance(last, ast.Assign) else [last.target]
    if len(targets) != 1 or not isinstance(targets[0], ast.Name):
        return None
    name = ast.Expr(ast.Name(targets[0].id, ast.Load()))
    return ast.fix_missing_locations(ast.copy_location(name, last))
