"""Hooks around the calls and values of code that uses NumPy: there, arrays become tracked.

`x = np.ones(3)` becomes `x = __handgrad__.call(np.ones, 3)`. Line numbers do not change.
"""

import ast
import builtins
from collections.abc import Container

from handgrad.checker.record.targets import HOOK, load

_BUILTIN = set(dir(builtins)) - {"float"}
"""Functions that make no arrays. Some of them (super, locals) look at the frame that calls them."""
_LIFTED = (ast.Subscript, ast.Attribute, ast.BinOp, ast.IfExp, ast.Await)


def uses_numpy(tree: ast.AST) -> bool:
    """Tell whether code imports NumPy."""
    return imports(tree, ("numpy", "autograd"))


def imports(tree: ast.AST, packages: Container[str]) -> bool:
    """Tell whether code imports one of these packages, or a part of one."""
    for node in ast.walk(tree):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if any((name or "").split(".")[0] in packages for name in names):
            return True
    return False


def entering(tree: ast.Module) -> ast.Module:
    """Return a tree that has its other hooks already with these too, changed in place."""
    made: ast.Module = _Entering().visit(tree)
    return ast.fix_missing_locations(made)


class _Entering(ast.NodeTransformer):
    """Puts the hooks in place."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        function = node.func
        if isinstance(function, ast.Name) and function.id in _BUILTIN:
            return node
        if isinstance(function, ast.Attribute) and _is_hook(function.value):
            return node
        hook = ast.Attribute(load(HOOK), "call", ast.Load())
        made = ast.Call(hook, [function, *node.args], node.keywords)
        return _placed(made, node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        node.value = _lifted(node.value)
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        if node.value is not None:
            node.value = _lifted(node.value)
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        names = [n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)]
        rebound: list[ast.stmt] = []
        for name in names:
            hook = ast.Call(ast.Attribute(load(HOOK), "lift", ast.Load()), [load(name)], [])
            rebound.append(ast.Assign([ast.Name(name, ast.Store())], hook))
        for statement in rebound:
            for part in ast.walk(statement):
                if isinstance(part, ast.expr | ast.stmt):
                    part.lineno = part.end_lineno = node.lineno
                    part.col_offset = part.end_col_offset = node.col_offset
        node.body = rebound + node.body
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        decorators, node.decorator_list = node.decorator_list, []
        self.generic_visit(node)
        node.decorator_list = decorators
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [self.visit(part) for part in node.body]
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node  # what is only printed


def _lifted(value: ast.expr) -> ast.expr:
    if isinstance(value, ast.Tuple | ast.List):
        value.elts = [_lifted(element) for element in value.elts]
    if not isinstance(value, _LIFTED):
        return value
    hook = ast.Attribute(load(HOOK), "lift", ast.Load())
    return _placed(ast.Call(hook, [value], []), value)


def _placed(made: ast.expr, node: ast.expr) -> ast.expr:
    for part in ast.walk(made):
        if isinstance(part, ast.expr) and not hasattr(part, "lineno"):
            ast.copy_location(part, node)
    return made


def _is_hook(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == HOOK
