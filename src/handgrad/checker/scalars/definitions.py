"""The definitions of a file: its classes and functions, compiled alone, apart from the file's run.

Fresh copies of a class are made from its text, so that an experiment sees no earlier values, no
instrumentation, and possibly a changed line.
"""

import __future__

import ast
import builtins
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import Any, NoReturn

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.records import Place

Names = dict[str, Any]
_MAGIC = re.compile(r"^[ \t]*[%!?].*$", re.MULTILINE)


def _refused(*args: object, **kwargs: object) -> NoReturn:
    raise PermissionError("an experiment neither reads nor writes files")


_SILENT = {
    **vars(builtins),
    "print": lambda *args, **kwargs: None,
    "open": _refused,
    "input": _refused,
    "breakpoint": _refused,
    "exit": _refused,
    "quit": _refused,
}
"""What the functions under test find as Python's own: none of it has an effect outside."""


@dataclass(frozen=True)
class Part:
    """One statement of a file's top level: a class, a function, or a simple assignment."""

    number: int
    cell: int | None
    first: int
    """Its first line in the cell."""
    text: str

    @cached_property
    def edits(self) -> Text:
        """Its text, to change expressions in. Lines count from 1 in the part."""
        return Text(self.text, ast.parse(self.text).body[0])

    @property
    def tree(self) -> ast.stmt:
        return self.edits.tree

    @property
    def filename(self) -> str:
        return f"<handgrad part {self.number}>"

    def place(self, line: int) -> Place:
        """Return where line `line` of the part is in the user's file."""
        return Place(self.first + line - 1, self.cell)

    def compiled(self, text: str | None = None) -> CodeType:
        """Compile the part, or another text in its place."""
        flags = __future__.annotations.compiler_flag  # a type that is not defined here is no matter
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the file's own run shows them
            tree = ast.parse(text or self.text)
            code: CodeType = compile(tree, self.filename, "exec", flags, dont_inherit=True)
        return code


class Definitions:
    """The classes and functions of a file. `names` are what the file's run has left, if it ran."""

    def __init__(
        self, cells: Sequence[tuple[int | None, str]], names: Mapping[str, Any] | None = None
    ) -> None:
        self.parts: list[Part] = []
        self._replaced: set[int] = set()
        """The numbers of classes that a later one of the same name replaces."""
        self.classes: set[str] = set()
        imports: list[ast.stmt] = []
        for cell, source in cells:
            tree = _parsed(source)
            lines = _MAGIC.sub("", source).split("\n")
            for node in tree.body if tree is not None else ():
                if _imports(node):
                    imports.append(node)
                elif self._is_definition(node):
                    self._add(node, cell, lines)
        self._names: Names = dict(names or {})
        self._names.update(_imported(imports, self._used(), self._names))
        self._codes = [part.compiled() for part in self.parts]

    def _add(self, node: ast.stmt, cell: int | None, lines: list[str]) -> None:
        if isinstance(node, ast.ClassDef):
            self.classes.add(node.name)
            replaced = [p for p in self.parts if getattr(p.tree, "name", "") == node.name]
            self._replaced.update(part.number for part in replaced)
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(d.lineno for d in decorators)])
        text = "\n".join(lines[first - 1 : node.end_lineno])
        if node.col_offset == 0 and _parsed(text) is not None:
            self.parts.append(Part(len(self.parts), cell, first, text))

    def _is_definition(self, node: ast.stmt) -> bool:
        """Tell whether to run the statement here: it must have no effect but to bind names."""
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            return True
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            return False
        if isinstance(node.value, ast.Lambda | ast.Name | ast.Attribute) or _literal(node.value):
            return True
        value = node.value
        called = value.func if isinstance(value, ast.Call) else None
        known = self.classes | {"list", "dict", "set", "defaultdict"}
        plain = isinstance(called, ast.Name) and called.id in known
        return plain and not isinstance(value, ast.Name) and not value.args  # type: ignore[attr-defined]

    def _used(self) -> set[str]:
        trees = [part.tree for part in self.parts]
        return {n.id for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Name)}

    def fresh(self, changed: Mapping[int, CodeType] | None = None) -> Names:
        """Return new copies of everything defined, with some parts replaced by other code."""
        names: Names = {**self._names, "__builtins__": _SILENT, "__name__": "handgrad_experiment"}
        for number, code in enumerate(self._codes):
            with suppress(Exception):  # what cannot be defined here is not judged
                exec((changed or {}).get(number, code), names)
        return names

    def current(self) -> list[Part]:
        """Return the parts that no later class of the same name replaces."""
        return [part for part in self.parts if part.number not in self._replaced]

    def functions(self) -> Iterator[tuple[Part, ast.FunctionDef]]:
        """Yield the functions at the top level."""
        for part in self.parts:
            if isinstance(part.tree, ast.FunctionDef):
                yield part, part.tree


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(_MAGIC.sub("", source))
    except (SyntaxError, ValueError, RecursionError):
        return None


def _literal(value: ast.expr) -> bool:
    """Tell whether an expression is made of constants, containers and lambdas alone."""
    plain = (ast.Constant, ast.List, ast.Dict, ast.Set, ast.Tuple, ast.UnaryOp, ast.USub, ast.Load)
    inside = {id(n) for f in ast.walk(value) if isinstance(f, ast.Lambda) for n in ast.walk(f)}
    return all(isinstance(n, plain) or id(n) in inside for n in ast.walk(value))


def _imports(node: ast.stmt) -> bool:
    if isinstance(node, ast.Try):
        return all(map(_imports, node.body))
    return isinstance(node, ast.Import | ast.ImportFrom)


def _imported(nodes: Sequence[ast.stmt], used: set[str], known: Names) -> Names:
    """Run the imports of names that the definitions use and the file's run has not left."""
    names: Names = {"__builtins__": builtins, "__name__": "handgrad_experiment"}
    for node in nodes:
        aliases = [a for n in ast.walk(node) for a in getattr(n, "names", ())]
        bound = {a.asname or a.name.split(".")[0] for a in aliases if isinstance(a, ast.alias)}
        if "*" in bound or (bound & used) - known.keys():
            with suppress(Exception):
                exec(compile(ast.Module([node], []), "<imports>", "exec"), names)
    return {k: v for k, v in names.items() if not k.startswith("__")}
