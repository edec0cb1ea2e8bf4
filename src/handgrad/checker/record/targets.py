"""Which names a statement sets, and the expression that reads each of them back."""

import ast
from dataclasses import dataclass, replace
from typing import Literal

HOOK = "__handgrad__"
"""The name of the object that instrumented code calls."""
_MODULES = ("torch", "F", "nn", "init")
"""Modules whose in-place functions write to their first argument."""
_NUMPY_WRITES = ("at", "copyto", "fill", "fill_diagonal", "put", "put_along_axis", "sort")
"""Functions of NumPy's that write to their first argument; the methods `fill` and `sort` to their
array."""
_GROW = ("append", "extend", "update")
Kind = Literal["assign", "update", "param", "result"]
"""How a name gets a tensor; "result" is that of a tensor which a function returns without one."""


@dataclass(frozen=True)
class Target:
    """One name that a statement sets. `kind` is "update" where it builds on the old value."""

    name: str
    kind: Kind
    keyed: bool = False
    """Whether the hook gets (container, key), as for `dhs[t] = ...`."""
    owned: bool = False
    """Whether the hook gets the tensor whose `.grad` is set."""
    grows: bool = False
    """Whether the statement adds to a list or dictionary: `hs.append(...)`."""


def written(node: ast.stmt) -> list[tuple[Target, ast.expr]]:
    """Return the names that an assignment sets, each with the expression that reads it back."""
    if isinstance(node, ast.AugAssign):
        return named(node.target, "update")
    if isinstance(node, ast.AnnAssign):
        return named(node.target, "assign") if node.value else []
    if not isinstance(node, ast.Assign):
        return []
    read = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
    bound = [t for target in node.targets for t in named(target, "assign")]
    # `dx = dx + ...` builds on the old value, as `dx += ...` does
    return [(replace(t, kind="update"), e) if t.name in read else (t, e) for t, e in bound]


def named(target: ast.expr, kind: Kind) -> list[tuple[Target, ast.expr]]:
    """Return the names under an assignment's target: through tuples, stars, subscripts, `.data`."""
    if isinstance(target, ast.Name):
        return [(Target(target.id, kind), load(target.id))]
    if isinstance(target, ast.Tuple | ast.List):
        return [t for element in target.elts for t in named(element, kind)]
    if isinstance(target, ast.Starred):
        return named(target.value, kind)
    if isinstance(target, ast.Attribute):
        if target.attr == "data":
            return named(target.value, "update")
        if target.attr == "grad":
            return _grad(target.value, kind)
        if isinstance(target.value, ast.Name):  # self.dW
            return [(Target(target.attr, kind), _attribute(target.value, target.attr))]
    if isinstance(target, ast.Subscript):
        base = target.value
        if isinstance(base, ast.Name) and _is_plain(target.slice):
            key = ast.parse(ast.unparse(target.slice), mode="eval").body
            pair = ast.Tuple([load(base.id), key], ast.Load())
            return [(Target(base.id, kind, keyed=True), pair)]
        if (
            isinstance(base, ast.Attribute)
            and isinstance(base.value, ast.Name)
            and _is_plain(target.slice)
        ):  # self.grads["W"]
            key = ast.parse(ast.unparse(target.slice), mode="eval").body
            pair = ast.Tuple([_attribute(base.value, base.attr), key], ast.Load())
            return [(Target(base.attr, kind, keyed=True), pair)]
        return named(base, "update")
    return []


def _grad(owner: ast.expr, kind: Kind) -> list[tuple[Target, ast.expr]]:
    """Return the target `W.grad`, for `W.grad = ...` and `self.W.grad = ...`."""
    if not _is_plain(owner):
        return []
    name = f"{ast.unparse(owner)}.grad".removeprefix("self.")
    again = ast.parse(ast.unparse(owner), mode="eval").body
    return [(Target(name, kind, owned=True), again)]


def _attribute(owner: ast.expr, name: str) -> ast.expr:
    """Return `getattr(owner, name, None)`: an attribute that can be set may not be readable."""
    owner = ast.parse(ast.unparse(owner), mode="eval").body
    return ast.Call(load("getattr"), [owner, ast.Constant(name), ast.Constant(None)], [])


def overwritten(value: ast.expr) -> list[tuple[Target, ast.expr]]:
    """Return what a call changes in place: `dC.index_add_(...)`, `F.relu_(dx)`, `out=dx`."""
    if not isinstance(value, ast.Call):
        return []
    changed = [keyword.value for keyword in value.keywords if keyword.arg == "out"]
    function = value.func
    if isinstance(function, ast.Attribute) and _is_in_place(function.attr):
        owner = function.value
        while isinstance(owner, ast.Call) and isinstance(owner.func, ast.Attribute):
            owner = owner.func.value  # dC.view(-1).add_(...)
        of_module = ast.unparse(owner).split(".")[0] in _MODULES
        changed += value.args[:1] if of_module else [owner]
    elif isinstance(function, ast.Attribute) and function.attr in _NUMPY_WRITES:
        is_method = function.attr in ("fill", "sort")
        changed += [function.value] if is_method else value.args[:1]
    # always an update: an in-place function does not replace the tensor (self.dW)
    targets = [target for part in changed for target in named(part, "update")]
    return [(replace(target, kind="update"), read) for target, read in targets]


def grown(value: ast.expr) -> list[tuple[Target, ast.expr]]:
    """Return the list or dictionary that a call adds to: `hs.append(f(x))`, `d.update(b=b)`."""
    if not isinstance(value, ast.Call) or not (value.args or value.keywords):
        return []
    function, given = value.func, value.args[:1]
    if not isinstance(function, ast.Attribute) or function.attr not in _GROW:
        return []
    if function.attr == "append" and isinstance(given[0] if given else None, ast.Name):
        return []  # it has a name
    owner = function.value
    if isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name):
        name, read = owner.attr, _attribute(owner.value, owner.attr)
    elif isinstance(owner, ast.Name):
        name, read = owner.id, load(owner.id)
    else:
        return []
    return [(Target(name, "assign", grows=True), read)]


def _is_in_place(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__") and name != "requires_grad_"


def walruses(node: ast.stmt) -> list[tuple[Target, ast.expr]]:
    """Return the name of `(y := f(x))` as a whole statement; nested ones may not be evaluated."""
    value = getattr(node, "value", None)
    if not isinstance(value, ast.NamedExpr):
        return []
    return [(Target(value.target.id, "assign"), load(value.target.id))]


def _is_plain(index: ast.expr) -> bool:
    """Tell whether evaluating the index again has no side effects: names, constants, arithmetic."""
    allowed = ast.Name | ast.Constant | ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop
    allowed |= ast.Attribute | ast.Subscript
    return all(isinstance(n, allowed | ast.expr_context) for n in ast.walk(index))


def load(name: str) -> ast.expr:
    """Return the expression that reads a name."""
    return ast.Name(name, ast.Load())
