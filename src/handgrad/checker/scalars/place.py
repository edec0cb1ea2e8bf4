"""One statement of a rule, with the names that may stand in it, and the edits of it."""

import ast
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.scalars.definitions import Part
from handgrad.checker.scalars.engine import LIKELY

SIMPLE = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.Expr
MOST_NAMES = 12


@dataclass(frozen=True)
class Edit:
    """A changed text of a part. `first` and `last` are the lines of the statement in it."""

    code: str
    message: str
    text: str
    first: int
    last: int
    adds: bool = False
    """Whether the statement is a new one, below the line before it."""
    moves: int | None = None
    """The line below which the statement belongs, if only its place is wrong."""

    column: int = 0
    """Where the statement begins in its first line."""

    @property
    def line(self) -> str:
        """The changed statement, without its indentation."""
        lines = self.text.split("\n")[self.first - 1 : self.last]
        lines[0] = " " * self.column + lines[0][self.column :]
        return textwrap.dedent("\n".join(lines)).strip()


@dataclass
class Place:
    """One statement to change. `value` and `reader` are the engine's attributes of a node."""

    part: Part
    statement: ast.stmt
    lines: frozenset[int]
    """The lines of the part that may be changed."""
    value: str
    reader: str
    skip: frozenset[str] = field(default_factory=frozenset)
    """Names of classes, functions and modules: no operands."""

    @property
    def text(self) -> Text:
        return self.part.edits

    @cached_property
    def roots(self) -> list[ast.expr]:
        """The expressions that the statement itself contains."""
        node = self.statement
        if isinstance(node, SIMPLE):
            return [node.value] if node.value is not None else []
        if isinstance(node, ast.If | ast.While):
            return [node.test]
        return [node.iter] if isinstance(node, ast.For) else []

    @cached_property
    def nodes(self) -> list[ast.expr]:
        """The expressions in the lines that may be changed, from the outside to the inside."""
        found = [n for root in self.roots for n in ast.walk(root) if isinstance(n, ast.expr)]
        return [n for n in found if self._is_near(n)]

    def _is_near(self, node: ast.expr) -> bool:
        last = node.end_lineno or node.lineno
        return any(node.lineno <= line <= last for line in self.lines)

    @cached_property
    def function(self) -> ast.AST:
        """The outermost function around the statement."""
        node: ast.AST = self.statement
        found: ast.AST = self.statement
        while (parent := self.text.parent(node)) is not None:
            if isinstance(parent, ast.FunctionDef):
                found = parent
            node = parent
        return found

    @cached_property
    def names(self) -> list[str]:
        """The operands within the function, as text: names, and attributes of names."""
        found: dict[str, None] = {}
        for node in ast.walk(self.function):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id in self.skip or self.is_called(node):
                    continue
                if node.attr in (self.value, self.reader):
                    owner = node.value.id
                    found.update({f"{owner}.{a}": None for a in (self.value, self.reader) if a})
                elif isinstance(node.ctx, ast.Load):
                    found[f"{node.value.id}.{node.attr}"] = None
            elif isinstance(node, ast.Name) and node.id not in self.skip:
                if not isinstance(self.text.parent(node), ast.Attribute) and not self.is_called(
                    node
                ):
                    found[node.id] = None
            elif isinstance(node, ast.arg) and node.arg not in ("self", "cls", "ctx"):
                found[node.arg] = None
        found.update(dict.fromkeys(self._saved()))
        left_out = self.targets | self.owners
        return [name for name in found if name not in left_out][: 2 * MOST_NAMES]

    @cached_property
    def owners(self) -> set[str]:
        """The names of nodes: they have the attributes of a value or a gradient."""
        return {
            n.value.id
            for n in ast.walk(self.function)
            if isinstance(n, ast.Attribute)
            and isinstance(n.value, ast.Name)
            and n.attr in (self.value, self.reader)
        } | {"self"}

    @cached_property
    def targets(self) -> set[str]:
        """The gradients that the function sets."""
        found: set[str] = set()
        for node in ast.walk(self.function):
            if isinstance(node, ast.Assign | ast.AugAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found.update(self.text.segment(t) for t in targets if isinstance(t, ast.Attribute))
        return found if self.reader else set()

    def _saved(self) -> list[str]:
        """Return what another method has saved for this one: `self.out`, `ctx.s`."""
        args = getattr(self.function, "args", None)
        owner = args.args[0].arg if args is not None and args.args else ""
        family = self.text.parent(self.function)
        if not isinstance(family, ast.ClassDef) or not owner:
            return []
        stored = [
            n
            for n in ast.walk(family)
            if isinstance(n, ast.Attribute)
            and isinstance(n.ctx, ast.Store)
            and isinstance(n.value, ast.Name)
            and n.value.id == owner
        ]
        return [f"{owner}.{n.attr}" for n in stored][:MOST_NAMES]

    def others(self, was: str) -> list[str]:
        """Return what may stand in the place of an operand, the most similar first."""
        attribute = was.partition(".")[2]
        similar = sorted(self.names, key=lambda n: n.partition(".")[2] != attribute)
        return [name for name in similar if name != was][:MOST_NAMES]

    def is_called(self, node: ast.AST) -> bool:
        parent = self.text.parent(node)
        return isinstance(parent, ast.Call) and parent.func is node

    @cached_property
    def upstream(self) -> list[str]:
        """The names of the upstream gradient: `out.grad`, or what a backward function takes."""
        owners = [
            n.value.id
            for n in ast.walk(self.function)
            if isinstance(n, ast.Attribute)
            and isinstance(n.value, ast.Name)
            and n.value.id not in self.skip
        ]
        found = [n for n in self.names if self.reader and n.endswith(f".{self.reader}")]
        found += [f"{owner}.{self.reader}" for owner in owners if self.reader]
        found = [name for name in found if name not in self.targets]
        for function in ast.walk(self.function):
            named = isinstance(function, ast.FunctionDef) and LIKELY.search(function.name)
            if isinstance(function, ast.FunctionDef | ast.Lambda) and (
                named or isinstance(function, ast.Lambda)
            ):
                found += [a.arg for a in function.args.args if a.arg not in ("self", "ctx", "cls")]
        return list(dict.fromkeys(found))

    def edit(self, code: str, message: str, text: str) -> Edit:
        more = text.count("\n") - self.part.text.count("\n")
        first, column = self.statement.lineno, self.statement.col_offset
        simple = isinstance(self.statement, SIMPLE)
        last = (self.statement.end_lineno or first) if simple else first
        if last > first and not more:  # of a long statement, the lines that change
            lines = zip(self.part.text.split("\n"), text.split("\n"), strict=True)
            changed = [n for n, (was, now) in enumerate(lines, 1) if was != now]
            first, last = min(changed, default=first), max(changed, default=last)
            column = 0
        return Edit(code, message, text, first, last + more, column=column)

    def replaced(self, code: str, message: str, node: ast.AST, new: str) -> Edit:
        return self.edit(code, message, self.text.replace(node, new))


def slots(place: Place) -> Sequence[ast.expr]:
    """Return the expressions that may be a whole local derivative or contribution."""
    found: list[ast.expr] = []
    for node in place.nodes:
        parent = place.text.parent(node)
        whole = any(node is root for root in place.roots) and isinstance(place.statement, SIMPLE)
        element = isinstance(parent, ast.Tuple | ast.List | ast.keyword | ast.Lambda | ast.Dict)
        branch = isinstance(parent, ast.IfExp) and node is not parent.test
        if isinstance(node, ast.Tuple | ast.List | ast.Lambda | ast.Dict):
            continue
        if isinstance(node, ast.Name) and node.id in place.owners:
            continue
        if whole or element or branch:
            found.append(node)
    return found
