"""The user's source with a call after each statement that reports the names it changed.

`dC[ix] += demb[k, j]` is followed by `__handgrad__.after(7, dC)`. A table has the statement's
names, line and text under 7, so the call is cheap. Loops get a tick at the top of their body and an
end. Line numbers and tracebacks do not change.
"""

import ast
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from handgrad.checker.record.targets import (
    HOOK,
    Kind,
    Target,
    grown,
    load,
    named,
    overwritten,
    walruses,
    written,
)
from handgrad.checker.records import Place


@dataclass(frozen=True)
class Statement:
    """One statement of the user's, which hook calls refer to by number."""

    place: Place
    text: str
    targets: tuple[Target, ...] = ()
    function: str = ""
    """The enclosing function with its class (`Linear.backward`); empty at the top level."""
    label: str | None = None
    """For a call that compares: its label."""
    scales: bool = False
    """Whether it multiplies or divides the old value, rather than adding to it."""
    sets: bool = False
    """Whether it assigns to a part of the old value: `dx[i] = ...`."""
    source: str = field(default="", compare=False, repr=False)
    """The whole text of its cell or file."""


class Instrumenter:
    """Instruments one module or cell; `statements` grows, and is shared by all cells of a file.

    `parameters` is the kind of functions' parameters: new names ("assign"), or second names for the
    caller's tensors ("param"). `reads` has the expressions that read a statement's targets back, by
    its number.
    """

    def __init__(
        self,
        statements: list[Statement],
        cell: int | str | None,
        source: str,
        parameters: Kind = "param",
    ) -> None:
        self.statements = statements
        self.parameters = parameters
        self.reads: dict[int, list[ast.expr]] = {}
        self.cell = cell
        self.source = source
        self.lines = source.splitlines()
        self.functions: list[str] = []

    def module(self, tree: ast.Module) -> ast.Module:
        """Return `tree`, changed in place; a last expression stays last for notebooks to show."""
        tree.body = self.block(tree.body, top=True)
        return ast.fix_missing_locations(tree)

    def block(self, body: Sequence[ast.stmt], top: bool = False) -> list[ast.stmt]:
        """Return the statements with their hooks between them."""
        out: list[ast.stmt] = []
        for i, statement in enumerate(body):
            shown = top and i == len(body) - 1 and isinstance(statement, ast.Expr)
            out += self.statement(statement, hooked=not shown)
        return out

    def statement(self, node: ast.stmt, hooked: bool) -> list[ast.stmt]:
        """Return `node` with its hook calls before and after; statements inside it get theirs."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._function(node)
            return [node]
        if isinstance(node, ast.ClassDef):
            self.functions.append(node.name)
            node.body = [s for part in node.body for s in self._method(part)]
            self.functions.pop()
            return [node]
        if isinstance(node, ast.For | ast.AsyncFor | ast.While):
            return self._loop(node)
        if isinstance(node, ast.With | ast.AsyncWith):
            targets = [item.optional_vars for item in node.items if item.optional_vars]
            node.body = self._bound(node, targets) + self.block(node.body)
            return [node]
        if isinstance(node, ast.If | ast.Try | ast.TryStar | ast.Match):
            return self._branches(node)
        if isinstance(node, ast.Expr):
            if isinstance(node.value, ast.Constant):
                return [node]  # a docstring must stay first
            hooks = self._after(node, overwritten(node.value) + grown(node.value))
            if not hooked:
                return [*self._compared(node), _shown(node, hooks)]
            return [*self._compared(node), node, *hooks]
        if isinstance(node, ast.Return):
            return [self._return(node)]
        return [node, *self._after(node, written(node))]

    def _return(self, node: ast.Return) -> ast.stmt:
        """Return `return hook(number, value)`: the hook passes the value on."""
        if node.value is None:
            return node
        number = self._record(node, _returned(node.value, ".".join(self.functions)))
        hook = _call(node, "returned", number)
        hook.value.args.append(node.value)  # type: ignore[attr-defined]
        node.value = hook.value  # type: ignore[attr-defined]
        return node

    def _method(self, node: ast.stmt) -> list[ast.stmt]:
        is_code = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        return self.statement(node, hooked=False) if is_code else [node]

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.functions.append(node.name)
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        targets = [(Target(a.arg, self.parameters), load(a.arg)) for a in arguments]
        doc = 1 if ast.get_docstring(node, clean=False) is not None else 0
        head = [*node.body[:doc], _call(node, "entered", self._record(node))]
        last, end = node.body[-1], list[ast.stmt]()
        if isinstance(node, ast.FunctionDef) and not isinstance(last, ast.Return | ast.Raise):
            end = [_call(last, "returned", self._record(last), [ast.Constant(None)])]
        node.body = [*head, *self._hook(node, targets), *self.block(node.body[doc:]), *end]
        self.functions.pop()

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While) -> list[ast.stmt]:
        number = self._record(node)
        bound = [] if isinstance(node, ast.While) else self._bound(node, [node.target])
        node.body = [_call(node, "tick", number), *bound, *self.block(node.body)]
        node.orelse = self.block(node.orelse)
        end = ast.Try(body=[node], handlers=[], orelse=[], finalbody=[_call(node, "end", number)])
        return [ast.copy_location(end, node)]

    def _branches(self, node: ast.If | ast.Try | ast.TryStar | ast.Match) -> list[ast.stmt]:
        for name in ("body", "orelse", "finalbody"):
            if hasattr(node, name):
                setattr(node, name, self.block(getattr(node, name)))
        for branch in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
            branch.body = self.block(branch.body)
        return [node]

    def _bound(self, node: ast.stmt, targets: Sequence[ast.expr]) -> list[ast.stmt]:
        return self._hook(node, [t for target in targets for t in named(target, "param")])

    def _after(self, node: ast.stmt, targets: list[tuple[Target, ast.expr]]) -> list[ast.stmt]:
        if isinstance(node, ast.Return | ast.Raise | ast.Break | ast.Continue | ast.Pass):
            return []
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal | ast.Delete):
            return []
        return self._hook(node, targets + walruses(node), always=True)

    def _hook(
        self, node: ast.stmt, targets: list[tuple[Target, ast.expr]], always: bool = False
    ) -> list[ast.stmt]:
        if not targets and not always:
            return []
        number = self._record(node, tuple(target for target, _ in targets))
        self.reads[number] = values = [value for _, value in targets]
        return [_call(node, "after", number, values)]

    def _compared(self, node: ast.Expr) -> list[ast.stmt]:
        """The hook of `cmp('h', dh, h)` runs first, because the call may raise (no .grad)."""
        call = node.value
        if not isinstance(call, ast.Call) or any(isinstance(a, ast.Starred) for a in call.args):
            return []
        constants = [a.value for a in call.args if isinstance(a, ast.Constant)]
        words = [value for value in constants if isinstance(value, str)]
        names = [name for name in map(_subject, call.args) if name is not None]
        if len(names) != 2 or len(words) != 1:
            return []
        number = self._record(node, label=words[0])
        return [_call(node, "compared", number, [load(name) for name in names])]

    def _record(
        self, node: ast.stmt, targets: tuple[Target, ...] = (), label: str | None = None
    ) -> int:
        """Add the statement to the table, and return its number."""
        text = _text(self.lines, node)
        place = Place(node.lineno, self.cell)
        scales = isinstance(node, ast.AugAssign) and not isinstance(node.op, ast.Add | ast.Sub)
        sets = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)
        function = ".".join(self.functions)
        statement = Statement(place, text, targets, function, label, scales, sets, self.source)
        self.statements.append(statement)
        return len(self.statements) - 1


def _returned(value: ast.expr, function: str) -> tuple[Target, ...]:
    """Return a target for each value that is returned: its name, or `relu_backward()[1]`."""
    if not isinstance(value, ast.Tuple):
        return (Target(f"{function}()", "result"),)
    names = (v.id if isinstance(v, ast.Name) else "" for v in value.elts)
    return tuple(Target(n or f"{function}()[{i}]", "result") for i, n in enumerate(names))


def _text(lines: Sequence[str], node: ast.stmt) -> str:
    """Return the statement as written, or its first line if it has a body."""
    if isinstance(getattr(node, "body", None), list) or node.end_lineno is None:
        return lines[node.lineno - 1].strip()
    shown = list(lines[node.lineno - 1 : node.end_lineno])
    before, after = beside(lines, node)
    if before or after.startswith(";"):  # it shares its lines with other statements
        shown[-1] = shown[-1].encode()[: node.end_col_offset].decode()
        shown[0] = shown[0].encode()[node.col_offset :].decode()
    return textwrap.dedent("\n".join(shown)).strip()


def beside(lines: Sequence[str], node: ast.stmt) -> tuple[str, str]:
    """Return the text before the statement on its first line, and after it on its last."""
    assert node.end_lineno is not None
    before = lines[node.lineno - 1].encode()[: node.col_offset].decode()
    after = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
    return before.strip(), after.strip()


def _shown(node: ast.Expr, hooks: Sequence[ast.stmt]) -> ast.Expr:
    """Put the hooks into a last expression: `(value, hook)[0]` still shows the value."""
    both = ast.Tuple([h.value for h in [node, *hooks] if isinstance(h, ast.Expr)], ast.Load())
    node.value = ast.copy_location(ast.Subscript(both, ast.Constant(0), ast.Load()), node.value)
    return node


def _subject(argument: ast.expr) -> str | None:
    if isinstance(argument, ast.Attribute) and argument.attr == "grad":
        argument = argument.value
    return argument.id if isinstance(argument, ast.Name) else None


def _call(node: ast.stmt, method: str, number: int, values: Sequence[ast.expr] = ()) -> ast.stmt:
    function = ast.Attribute(load(HOOK), method, ast.Load())
    hook = ast.Expr(ast.Call(function, [ast.Constant(number), *values], []))
    for part in ast.walk(hook):  # the hook of a whole loop must not span its lines
        if isinstance(part, ast.expr | ast.stmt):
            part.lineno = part.end_lineno = node.lineno
            part.col_offset = part.end_col_offset = node.col_offset
    return hook
