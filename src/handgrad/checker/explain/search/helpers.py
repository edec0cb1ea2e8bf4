"""A call of the user's own function as text that can run again, with each line of the function.

`da2 = tanh_back(dh2, h2)` may be wrong because of a line in `tanh_back`. The unit of such a line is
the whole program: the functions that the call reaches, and the call below them.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from handgrad.checker.explain.search.names import NamesAt
from handgrad.checker.explain.search.unit import Unit
from handgrad.checker.record.instrument import Statement
from handgrad.checker.records import Place

DEEP = 8
"""A call that reaches more functions than this is not taken apart."""
LIBRARIES = ("torch", "math", "numpy")
FRAME = "__frame__"
"""The function that a program calls to report the names where one of its lines stands."""
_SIMPLE = ast.Assign | ast.AugAssign | ast.Return


@dataclass(frozen=True, eq=False)
class Helper:
    """A function of the user's in its source; a lambda counts as one with a return statement.

    `text` is its definition, `first` the line of the source at which that begins.
    """

    name: str
    text: str
    tree: ast.FunctionDef
    source: str
    cell: int | str | None
    first: int
    code: CodeType
    assigned: ast.Assign | None = None
    """For a lambda: the statement that names it."""

    @property
    def shown_name(self) -> str:
        """The name that the user knows it by."""
        return self.name if self.assigned is not None else self.code.co_qualname.split(">.")[-1]

    def holds(self, statement: Statement) -> bool:
        """Tell whether a statement is one of its own, or sets its parameters."""
        lines = range(self.first, self.first + self.text.count("\n") + 1)
        inside = statement.place.cell == self.cell and statement.place.line in lines
        return inside and self.assigned is None  # a lambda has no statements

    @property
    def key(self) -> tuple[int | str | None, int, str]:
        return self.cell, self.first, self.name

    @property
    def parameters(self) -> list[str]:
        every = self.tree.args
        return [a.arg for a in (*every.posonlyargs, *every.args, *every.kwonlyargs)]

    def lines(self) -> list[ast.stmt]:
        """Return its statements that compute something, the last one first."""
        found = [n for n in ast.walk(self.tree) if isinstance(n, _SIMPLE) and n.value is not None]
        return sorted(found, key=lambda node: -node.lineno)

    def statement(self, node: ast.stmt) -> Statement:
        """Return one of its statements as the user wrote it."""
        if self.assigned is not None:
            text = ast.get_source_segment(self.source, self.assigned) or ""
            line = self.assigned.lineno
        else:
            text, line = self._segment(node), self.first + node.lineno - 1
        return Statement(Place(line, self.cell), text, function=self.shown_name, source=self.source)

    def shown(self, fix: str) -> str:
        """Return a line for one of its statements as the user would write it."""
        if self.assigned is None:
            return fix
        body = fix.removeprefix("return ")
        text = ast.get_source_segment(self.source, self.assigned) or ""
        return text.replace(self._segment(self._lambda.body, self.source), body)

    @property
    def _lambda(self) -> ast.Lambda:
        assert self.assigned is not None
        assert isinstance(self.assigned.value, ast.Lambda)
        return self.assigned.value

    def _segment(self, node: ast.AST, source: str | None = None) -> str:
        found = ast.get_source_segment(self.text if source is None else source, node)
        return textwrap.dedent(found or "")

    def split(self, node: ast.stmt) -> tuple[str, str, str, str] | None:
        """Return a statement of its text, with what stands before and after it, and its indent.

        None if it shares its lines with others.
        """
        rows = self.text.split("\n")
        start, end = node.lineno - 1, node.end_lineno or node.lineno
        indent = rows[start][: node.col_offset]
        if indent.strip() or rows[end - 1].encode()[node.end_col_offset or 0 :].strip()[:1] == b";":
            return None
        return "\n".join(rows[:start]), self._segment(node), "\n".join(rows[end:]), indent


@dataclass(frozen=True, eq=False)
class Call:
    """A statement's unit, and the functions of the user's that it reaches."""

    unit: Unit
    helpers: tuple[Helper, ...]
    methods: tuple[tuple[str, str, str], ...] = ()
    """The methods among them: the name of the object, that of the method, and its helper's name."""

    @property
    def bound(self) -> str:
        """The lines that give the objects their methods."""
        lines = [f'{owner}.__define__("{name}", {made})\n' for owner, name, made in self.methods]
        return "".join(lines)

    def at(self, helper: Helper, node: ast.stmt) -> Unit | None:
        """Return the program as the unit of one line of a function."""
        parts = helper.split(node)
        if parts is None:
            return None
        before, text, after, indent = parts
        others = [other.text for other in self.helpers if other is not helper]
        head = "\n".join([*others, before]) + "\n"
        tail = "\n".join(["", after, self.bound + self.unit.source(self.unit.text)])
        tree = ast.parse(text).body[0]
        return Unit(text, tree, self.unit.target, head, indent, tail)

    def whole(self) -> Unit:
        """Return the program as the unit of the call."""
        head = "\n".join([*(helper.text for helper in self.helpers), ""])
        unit = self.unit
        head += self.bound + unit.head
        return Unit(unit.text, unit.tree, unit.target, head, unit.indent, unit.tail,
                    unit.loop)  # fmt: skip


def call_of(unit: Unit, names: NamesAt, statements: Iterable[Statement]) -> Call | None:
    """Return what a unit calls of the user's own; None if it calls nothing, or too much.

    `statements` are those of the user's code, for their sources.
    """
    sources = {(s.source, s.place.cell) for s in statements}
    found: dict[str, Helper] = {}
    methods: dict[tuple[str, str, str], None] = {}
    todo = [(name, "") for name in _called(ast.parse(unit.source(unit.text)))]
    while todo:
        name, owner = todo.pop(0)
        root, _, attribute = name.rpartition(".")
        root = owner if root == "self" and owner else root
        value = _function(root or name, attribute if root else "", names)
        if value is None:
            continue
        name = f"{type(names.given(root)).__name__}_{attribute}" if root else name
        if root:
            methods[root, attribute, name] = None
        if name in found:
            continue
        helper = next(_defined(name, value, sources), None)
        if helper is None or len(found) >= DEEP:
            return None
        found[name] = helper
        todo += [(inner, root) for inner in _called(helper.tree)]
    return Call(unit, tuple(found.values()), tuple(methods)) if found else None


def _function(name: str, attribute: str, names: NamesAt) -> FunctionType | None:
    """Return the user's function of that name, or the method of the user's object."""
    value = names.given(name) if name in names else None
    if attribute:
        value = inspect.getattr_static(type(value), attribute, None)
    if not isinstance(value, FunctionType):
        return None
    return None if (value.__module__ or "").split(".")[0] in LIBRARIES else value


def _called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            yield node.func.id
        elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            yield f"{node.func.value.id}.{node.func.attr}"


def _defined(
    name: str, value: FunctionType, sources: Iterable[tuple[str, int | str | None]]
) -> Iterator[Helper]:
    """Yield the function in the sources, by its line and its parameters."""
    code = value.__code__
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for source, cell in sources:
        for node in _definitions(source):
            assigned = node if isinstance(node, ast.Assign) else None
            tree = node.value if isinstance(node, ast.Assign) else node
            assert isinstance(tree, ast.Lambda | ast.FunctionDef)
            every = [*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs]
            same = tuple(a.arg for a in every) == arguments and value.__name__ in (
                getattr(tree, "name", "<lambda>"),
            )
            if tree.lineno == code.co_firstlineno and same:
                text = _text(name, tree, source)
                parsed = ast.parse(text).body[0]
                assert isinstance(parsed, ast.FunctionDef)
                yield Helper(name, text, parsed, source, cell, tree.lineno, code, assigned)


def _text(name: str, tree: ast.Lambda | ast.FunctionDef, source: str) -> str:
    if isinstance(tree, ast.Lambda):
        body = ast.get_source_segment(source, tree.body)
        return f"def {name}({ast.unparse(tree.args)}):\n    return {body}"
    lines = source.split("\n")[tree.lineno - 1 : tree.end_lineno]
    text = textwrap.dedent("\n".join(lines))
    if tree.name != name:  # the function under another name
        text = text.replace(f"def {tree.name}", f"def {name}", 1)
    return text


@lru_cache(maxsize=64)
def _definitions(source: str) -> Sequence[ast.Assign | ast.FunctionDef]:
    """Return the functions of a source without decorators, and the statements that name lambdas."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    found: list[ast.Assign | ast.FunctionDef] = []
    for node in ast.walk(tree):
        plain = isinstance(node, ast.FunctionDef) and not node.decorator_list
        if plain or (isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda)):
            found.append(node)  # type: ignore[arg-type]
    return found


class FrameNames(NamesAt):
    """The names inside a function that a call runs: its locals, and the globals that it reads.

    `values` are the locals in the run; `given` those of them that are known tensors of the user's.
    """

    def __init__(
        self, caller: NamesAt, read: set[str], given: dict[str, Any], values: dict[str, Any]
    ) -> None:
        self._caller, self._values = caller, values
        self.of_arrays = caller.of_arrays
        shared = {n: caller.given(n) for n in caller if n in read or _is_tool(caller.given(n))}
        self._given = {**shared, **values, **given}
        self._own = {id(self._given[name]): value for name, value in values.items()}

    @property
    def outer(self) -> NamesAt:
        """The caller's names."""
        return self._caller

    def held(self, value: Any) -> Any:
        """Return the contents of a collection or object at the call."""
        return self._caller.held(value)

    def stand_in(self, value: Any, tensor: Any = None) -> Any:
        """Return the stand-in for one of the user's values, or for one of the function's own."""
        if id(value) in self._own:
            found = self._own[id(value)]
            return tensor(value, found) if tensor is not None and hasattr(found, "clone") else found
        return self._caller.stand_in(value, tensor)


def _is_tool(value: Any) -> bool:
    return isinstance(value, ModuleType | FunctionType | BuiltinFunctionType)
