"""The operations of an engine: its arithmetic, its methods and functions that give a new node."""

import ast
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from handgrad.checker.scalars.definitions import Names, Part
from handgrad.checker.scalars.engine import LIKELY, UNLIKELY, Engine

DUNDERS: dict[str, Callable[..., Any]] = {
    "__add__": operator.add,
    "__sub__": operator.sub,
    "__mul__": operator.mul,
    "__truediv__": operator.truediv,
    "__pow__": operator.pow,
    "__matmul__": operator.matmul,
    "__neg__": operator.neg,
    "__abs__": abs,
    "__iadd__": operator.iadd,
    "__isub__": operator.isub,
    "__imul__": operator.imul,
    "__itruediv__": operator.itruediv,
}
REFLECTED = {f"__r{name[2:]}": f for name, f in list(DUNDERS.items())[:5]}
UNARY = ("__neg__", "__abs__")
NODE = "node"
"""An operand that is a node; any other operand is a number."""
Operand = str | float
NOT_GRADIENTS = ("detach", "copy", "clone", "round", "sign", "floor", "ceil", "no_grad", "dropout")
"""Operations that stop the gradient or replace it on purpose."""


@dataclass(frozen=True)
class Form:
    """One way to call an operation: which operands are nodes, which are numbers."""

    operands: tuple[Operand, ...]

    @property
    def nodes(self) -> list[int]:
        """The positions of the operands that are nodes."""
        return [i for i, operand in enumerate(self.operands) if operand == NODE]

    def fill(self, leaves: Sequence[Any]) -> list[Any]:
        """Return the operands, with `leaves` in the places of the nodes."""
        rest = iter(leaves)
        return [next(rest) if operand == NODE else operand for operand in self.operands]


@dataclass(frozen=True)
class Operation:
    """An operation of an engine. `function` is its definition in the file, where it has one."""

    owner: str
    """The class, empty for a function of the file."""
    name: str
    part: Part
    function: ast.FunctionDef | ast.Lambda

    @property
    def label(self) -> str:
        return f"{self.owner}.{self.name}" if self.owner else self.name

    @cached_property
    def parameters(self) -> list[str]:
        args = self.function.args
        return [a.arg for a in (*args.posonlyargs, *args.args)]

    @property
    def required(self) -> int:
        return len(self.parameters) - len(self.function.args.defaults)

    def parameter(self, position: int) -> str:
        """Return the author's name of an operand. `position` counts as in a form."""
        names = self.parameters
        if self.name in REFLECTED:  # 2 * a calls a.__rmul__(2)
            position = 1 - position
        return names[position] if position < len(names) else f"operand {position + 1}"

    def forms(self) -> list[Form]:
        """Return the ways to call it that are worth trying."""
        if self.name in UNARY:
            return [Form((NODE,))]
        if self.name == "__pow__":
            exponents = (2.0, 3.0, -1.0, 0.5, -2.0)
            return [Form((NODE, NODE)), *(Form((NODE, k)) for k in (*exponents, 2, 3, -1))]
        if self.name in REFLECTED:
            return [Form((k, NODE)) for k in (1.7, 2)]
        if self.name in DUNDERS:
            return [Form((NODE, NODE)), Form((NODE, 1.7)), Form((NODE, 2))]
        if self.required == 1:
            two = [Form((NODE, NODE))] if len(self.parameters) == 2 else []
            return [Form((NODE,)), *two]
        if self.required == 2:
            return [Form((NODE, NODE)), *(Form((NODE, k)) for k in (2.0, 3.0, 2))]
        return []

    def __call__(self, names: Names, operands: Sequence[Any]) -> Any:
        """Apply it to nodes and numbers."""
        if self.name in DUNDERS:
            return DUNDERS[self.name](*operands)
        if self.name in REFLECTED:
            return REFLECTED[self.name](*operands)
        if self.owner:
            return getattr(operands[0], self.name)(*operands[1:])
        return names[self.name](*operands)


def operations(engine: Engine) -> list[Operation]:
    """Return what may be an operation of the engine; which of them are, calling them shows."""
    found: dict[str, Operation] = {}
    for operation in (*_methods(engine), *_functions(engine)):
        if not _is_excluded(engine, operation.name):
            found[operation.label] = operation  # a later definition replaces an earlier one
    return list(found.values())


def _is_excluded(engine: Engine, name: str) -> bool:
    plain = name.strip("_")
    special = name.startswith("__") and name not in DUNDERS and name not in REFLECTED
    stops = any(word in plain.lower() for word in NOT_GRADIENTS)
    starts = name == engine.driver.name or (LIKELY.search(plain) or UNLIKELY.search(plain))
    return special or stops or bool(starts) or (name.startswith("_") and not name.endswith("__"))


def _methods(engine: Engine) -> Iterator[Operation]:
    """Yield the methods of the class, of its bases in the file, and those assigned to it."""
    names = engine.definitions.fresh()
    family = {c.__name__ for c in names[engine.name].__mro__}
    functions = {f.name: (part, f) for part, f in engine.definitions.functions()}
    for part in engine.definitions.current():
        tree = part.tree
        if isinstance(tree, ast.ClassDef) and tree.name in family:
            for node in tree.body:
                if isinstance(node, ast.FunctionDef) and not node.decorator_list:
                    yield Operation(engine.name, node.name, part, node)
                yield from _bound(engine, node, part)
        if isinstance(tree, ast.Assign) and isinstance(tree.targets[0], ast.Attribute):
            owner, value = tree.targets[0].value, tree.value
            if not (isinstance(owner, ast.Name) and owner.id in family):
                continue
            name = tree.targets[0].attr
            if isinstance(value, ast.Lambda):
                yield Operation(engine.name, name, part, value)
            elif isinstance(value, ast.Name) and value.id in functions:
                yield Operation(engine.name, name, *functions[value.id])


def _bound(engine: Engine, node: ast.stmt, part: Part) -> Iterator[Operation]:
    """Yield the method of `__mul__ = lambda self, other: ...` in a class body."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield Operation(engine.name, target.id, part, node.value)


def _functions(engine: Engine) -> Iterator[Operation]:
    """Yield the functions of the file that make nodes themselves."""
    makers = {engine.name, *engine.definitions.classes}
    for part, function in engine.definitions.functions():
        called = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
        if called & makers and not function.decorator_list:
            yield Operation("", function.name, part, function)
