"""A statement as text that can run again: alone, or with the loop around it."""

import ast
import re
import textwrap
from collections.abc import Iterator, Set
from dataclasses import dataclass

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.names import PURE, NamesAt, of_library
from handgrad.checker.explain.search.runner import RETURNED
from handgrad.checker.record.instrument import Statement, beside

_SIMPLE = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr | ast.Return
Loop = ast.For | ast.While
_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
_EFFECTS = {"backward", "load", "manual_seed", "requires_grad_", "save", "savetxt", "savez", "seed",
            "step", "tofile", "zero_grad"}  # fmt: skip
"""Functions of libraries that do more than to compute something."""
_DRAWS = {"alpha_dropout", "bernoulli", "bernoulli_", "dropout", "dropout1d", "dropout2d",
          "exponential_", "feature_dropout", "gumbel_softmax", "multinomial", "normal", "normal_",
          "poisson", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like",
          "random", "random_", "randperm", "uniform_"}  # fmt: skip
"""Functions that draw random numbers: another call gives others."""


class Body:
    """A statement in its source: `stack` is the blocks around it, the outer ones first.

    `node` is None where the source has no statement on that line.
    """

    def __init__(self, statement: Statement) -> None:
        self.stack: list[ast.AST] = []
        self.node: ast.stmt | None = None
        try:
            inner: ast.AST = ast.parse(statement.source)
        except SyntaxError:
            return
        while hasattr(inner, "body"):
            self.stack.append(inner)
            found = _inside(inner, statement)
            if found is None:
                return
            inner = found
        assert isinstance(inner, ast.stmt)
        self.node = inner

    @property
    def loops(self) -> list[Loop]:
        """The loops around it, the outer ones first, within its function."""
        scopes = [i for i, block in enumerate(self.stack) if isinstance(block, _SCOPES)]
        return [block for block in self.stack[scopes[-1] + 1 :] if isinstance(block, Loop)]

    @property
    def before(self) -> ast.stmt | None:
        """The statement that stands right above it, in the same block."""
        for name in ("body", "orelse", "finalbody") if self.node is not None else ():
            rows: list[ast.stmt] = getattr(self.stack[-1], name, [])
            if self.node in rows[1:]:
                return rows[rows.index(self.node) - 1]
        return None


@dataclass(frozen=True)
class Unit:
    """`text` is the statement, `head` and `tail` the lines around it in its loop.

    `target` is the expression that reads the gradient, `loop` the line of the loop.
    """

    text: str
    tree: ast.stmt
    target: str
    head: str = ""
    indent: str = ""
    tail: str = ""
    loop: int | None = None
    above: bool = False
    """Whether the statement that makes the gradient is one of the lines below it."""

    def source(self, text: str) -> str:
        """Return the source to run with `text` instead of the statement."""
        if self.above:
            pass
        elif isinstance(self.tree, ast.Return) and not self.head:
            text = f"{RETURNED} ={text.removeprefix('return')}"
        elif self.target == RETURNED:  # the step of an update
            text = f"{RETURNED} = {text.partition('=')[2]}"
        return self.head + textwrap.indent(text, self.indent) + self.tail


def unit_of(
    statement: Statement, name: str, looped: bool, first: Statement, binds_name: bool = True
) -> Unit | None:
    """Return the unit to run for the gradient `name`, None if it cannot run again.

    `binds_name`: whether it sets the name, rather than to pass the gradient on. `looped`: it ran
    more than once, so the unit includes a loop: the outermost one that does not contain the
    gradient's `first` statement (dW = zeros).
    """
    parsed = Text.parsed(statement.text)
    if parsed is None or not isinstance(parsed.tree, _SIMPLE):
        return None
    tree = parsed.tree
    target = _target(tree, statement, name) if binds_name else _returned(tree, name)
    if target == RETURNED and not isinstance(tree, ast.Return | ast.AugAssign):
        return None
    if not looped:
        return Unit(statement.text, tree, target)
    body = Body(statement)
    node, lines = body.node, statement.source.split("\n")
    loop = _loop_around(body, statement, first)
    if loop is None or node is None or isinstance(tree, ast.Return) or loop.lineno == node.lineno:
        return None
    before, after = beside(lines, node)
    start, end = loop.lineno - 1, loop.end_lineno or loop.lineno
    indent = _indent(lines[node.lineno - 1])
    head = [*lines[start : node.lineno - 1], *([indent + before] if before else [])]
    if before.endswith(":"):  # for t in steps: dW += ...
        indent += "    "
    rest = [indent + after.lstrip(";").strip()] if after.startswith(";") else []
    tail = [*rest, *lines[node.end_lineno or node.lineno : end]]
    cut = len(_indent(lines[start]))
    dedented = ["\n".join(line[cut:] for line in part) for part in (head, tail)]
    return Unit(
        statement.text, tree, target, dedented[0] + "\n", indent[cut:], "\n" + dedented[1],
        loop.lineno,
    )  # fmt: skip


def calls_only_libraries(tree: ast.AST, names: NamesAt) -> bool:
    """Tell whether code calls only functions of libraries, or its own, without side effects."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    defined = {function.name for function in functions} | set(_methods(tree))
    inner = {name for function in functions for name in _locals(function)}
    inner |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and _is_set(n)}
    for node in ast.walk(tree):
        if isinstance(node, _NEVER):
            return False
        if isinstance(node, ast.Call) and not (
            getattr(node.func, "id", getattr(node.func, "attr", "")) in defined
            or _is_known(node.func, names, inner)
        ):
            return False
    return True


def _is_set(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _methods(tree: ast.AST) -> Iterator[str]:
    """Yield the names of the methods that a program defines: `layer.__define__("backward", f)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "__define__":
            yield str(getattr(node.args[0], "value", ""))


def _locals(function: ast.FunctionDef) -> Iterator[str]:
    """Yield the names of a function's parameters, and those that it sets."""
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and _is_set(node):
            yield node.id


_NEVER = (ast.Lambda, ast.Await, ast.Yield, ast.YieldFrom, ast.While, ast.Import, ast.ImportFrom,
          ast.Global, ast.Nonlocal, ast.Delete)  # fmt: skip


def _is_known(function: ast.expr, names: NamesAt, inner: Set[str]) -> bool:
    if isinstance(function, ast.Name):
        if function.id not in names:
            return function.id in PURE
        return function.id not in _DRAWS and of_library(names.given(function.id))
    if not isinstance(function, ast.Attribute):
        return False
    if function.attr in _DRAWS | _EFFECTS or function.attr.startswith("set_"):
        return False
    parts = [n.attr for n in ast.walk(function) if isinstance(n, ast.Attribute)]
    if "random" in parts:
        return False
    # a stand-in has no methods: what an object of the user's would do raises here
    root: ast.expr = function
    while isinstance(root, ast.Attribute):
        root = root.value
    if not isinstance(root, ast.Name):
        return True
    return root.id in names or root.id in inner or root.id in PURE


def _target(tree: ast.stmt, statement: Statement, name: str) -> str:
    """Return the expression that reads the gradient back: `dx`, `grads['x']`, `self.dx`."""
    if isinstance(tree, ast.Return):
        names = [target.name for target in statement.targets]
        return f"{RETURNED}[{names.index(name)}]" if len(names) > 1 else RETURNED
    set_here = getattr(tree, "targets", None) or [getattr(tree, "target", tree)]
    for node in (n for part in set_here for n in ast.walk(part)):
        named = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if named and node.attr == name:  # type: ignore[attr-defined]
            return ast.unparse(node)
    return name


def _returned(tree: ast.stmt, name: str) -> str:
    """Return the expression for one of the values that a function returns: `backward()[1]`."""
    at = re.search(r"\(\)\[(\d+)\]$", name)
    several = isinstance(getattr(tree, "value", None), ast.Tuple)
    return f"{RETURNED}[{at[1]}]" if at is not None and several else RETURNED


def _loop_around(body: Body, statement: Statement, first: Statement) -> ast.For | None:
    """Return the outermost loop around the statement, but not around the first."""
    apart = first != statement and first.function == statement.function
    for loop in body.loops:
        lines = range(loop.lineno, (loop.end_lineno or loop.lineno) + 1)
        if isinstance(loop, ast.For) and not (apart and first.place.line in lines):
            return loop
    return None


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _inside(block: ast.AST, statement: Statement) -> ast.stmt | None:
    """Return the statement in a block at the line; of several there, the one of that text."""
    line = statement.place.line
    found = [n for n in _rows(block) if n.lineno <= line <= (n.end_lineno or n.lineno)]
    source = statement.source
    named = (n for n in found if ast.get_source_segment(source, n) == statement.text)
    return next(named, found[-1] if found else None)


def _rows(block: ast.AST) -> Iterator[ast.stmt]:
    for node in ast.iter_child_nodes(block):
        if isinstance(node, ast.stmt):
            yield node
        elif isinstance(node, ast.ExceptHandler | ast.match_case):
            yield from node.body
