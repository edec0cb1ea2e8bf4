"""Write a backward pass: undo the operations in reverse order, one line for each contribution.

The gradient of a named tensor has a name too; the first contribution sets it, later ones add to it.
The gradient of a tensor without a name stays an expression inside the lines that use it.
"""

import ast
from dataclasses import dataclass, field

from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Op
from handgrad.checker.write.compose.broadcasting import expanded
from handgrad.checker.write.compose.compose import Composer
from handgrad.checker.write.compose.contributions import (
    Contribution,
    GradientAtIndex,
    GradientExceptIndex,
)
from handgrad.checker.write.compose.expression import Expr, filled, parsed, total
from handgrad.checker.write.compose.graph import Graph, Value, zeros_as
from handgrad.checker.write.compose.references import References, Unreachable
from handgrad.checker.write.derive.naming import NameTable, heading
from handgrad.checker.write.rules.rule import NoRule, canonical

_VIEWS = {"view", "reshape", "squeeze", "unsqueeze", "transpose", "permute", "expand", "narrow",
          "diagonal", "movedim", "T", "mT", "swapaxes", "expand_as"}  # fmt: skip

_LONG = 100
"""Characters of an expression for a tensor without a name, from which on it gets one. Without a
limit, lines grow with the square of the steps of a loop, or exponentially."""


@dataclass
class DerivedLines:
    """The text so far. `lines` are the statements and comments of the backward pass."""

    lines: list[str] = field(default_factory=list)
    recomputed: list[str] = field(default_factory=list)
    """Lines that recompute tensors that have no name, or have lost it. They stand at the top."""
    gradients: dict[int, str] = field(default_factory=dict)
    """The names of the gradients, by the id of the Value."""
    broken: dict[int, str] = field(default_factory=dict)
    """Why a gradient lacks a contribution, by the id of the Value."""
    missing: list[tuple[Statement | None, str]] = field(default_factory=list)
    """The statements that could not be undone, and why."""


class Writer:
    """Writes the backward pass of one graph. `seed` is the gradient of its output."""

    def __init__(self, graph: Graph, refs: References, seed: Expr) -> None:
        self.graph, self.refs = graph, refs
        self.names = NameTable(graph, refs)
        self.composer = Composer(graph, refs, self._on_own_line)
        self.derived = DerivedLines()
        self._named: dict[int, Expr] = {}
        """The names of gradients that have been written, by the id of the Value."""
        self._pending: dict[int, list[Expr]] = {id(graph.output()): [seed]}
        """Contributions to gradients without a name, by the id of the Value."""
        self._header: Statement | None = None
        self.inside: set[int] = set()
        """The ids of Values inside a block in closed form: they get no gradient."""
        refs.remember = self._recompute

    def write(self) -> DerivedLines:
        """Write the whole pass."""
        for op in reversed(self.graph.ops):
            self._refuse_aliased_write(op)
            self.undo(op)
        return self.derived

    def _refuse_aliased_write(self, op: Op) -> None:
        """Report a write through a view, which changes another tensor: no rule covers it."""
        for value in self.graph.values:
            if not (value.aliased_write and value.live and value.at == op.index + 1):
                continue
            if id(value) in self._named or id(value) in self._pending:
                self._miss(op, NoRule(f"{canonical(op.func)[0]} in place, through a view"))
                return

    def undo(self, op: Op) -> None:
        """Write what one operation contributes to the gradients of its arguments."""
        results, broken = self.graph.results[op.index], self.derived.broken
        if not any(v.live for v in results):
            return
        reason = next((broken[id(v)] for v in results if id(v) in broken), None)
        if reason is not None:
            self._break(op, reason)
            return
        try:
            d = [self.gradient(v) for v in results]
            if all(gradient is None for gradient in d):
                return
            self._open(self.graph.statement(op))
            for contribution in self.composer.undo(op, d):
                self.add(contribution)
        except (NoRule, Unreachable) as error:
            self._miss(op, error)

    def add(self, contribution: Contribution) -> None:
        """Write a contribution, or keep it for the line that needs it."""
        value, gradient = contribution.value, contribution.gradient
        if isinstance(gradient, GradientAtIndex) and gradient.is_mixed:
            gradient = gradient.whole or gradient
        if isinstance(gradient, GradientExceptIndex):
            self._add_except_index(value, gradient)
        elif self.is_node(value):
            if isinstance(gradient, GradientAtIndex):
                self._add_at_index(value, self.names.gradient(value), gradient)
            else:
                self._add_line(value, gradient)
        elif not isinstance(gradient, GradientAtIndex):
            self._keep(value, gradient)
        elif gradient.whole is not None:
            self._keep(value, gradient.whole)
        else:
            name = self.names.fresh(f"d{self._stem(value)}")
            self._add_at_index(value, name, gradient)
            self._named.pop(id(value), None)
            self._keep(value, _named(name, value))

    def _keep(self, value: Value, gradient: Expr) -> None:
        self._pending.setdefault(id(value), []).append(gradient)

    def is_node(self, value: Value) -> bool:
        """Tell whether the gradient of a value has a name: the value has one, or is a leaf."""
        return value.bind is not None or (value.op is None and value.live)

    def _stem(self, value: Value) -> str:
        return canonical(value.op.func)[0] if value.op is not None else "t"

    def gradient(self, value: Value) -> Expr | None:
        """Return the complete gradient of an operation's result, None if nothing contributes."""
        if id(value) in self._named:
            return self._named[id(value)]
        contributions = self._pending.get(id(value))
        if not contributions:
            return None
        if len(contributions) == 1:
            return contributions[0]
        return self._on_own_line(f"d{self._stem(value)}", total(contributions[::-1]))

    def _add_line(self, value: Value, expr: Expr) -> None:
        """Write `dx = ...` for the first contribution, `dx += ...` for later ones."""
        name, first = self.names.gradient(value), id(value) not in self._named
        if not expr.fills(value.tensor):
            like = self.refs.named(value)
            expr = expanded(expr, None if like is None else self.refs.text(like), value.tensor)
        if first:
            several = self.graph.counts.get(id(value), 0) > 1
            if isinstance(expr.node, ast.Name) or (several and _is_view(expr.node)):
                expr = Expr(filled(parsed("d.clone()"), {"d": expr.node}), expr.value.clone())
            self._named[id(value)] = Expr(parsed(name), expr.value.to(value.tensor.dtype))
            self.derived.gradients[id(value)] = name
        self._line(f"{name} {'=' if first else '+='} {self.refs.text(expr.node)}")

    def _add_at_index(self, value: Value, name: str, gradient: GradientAtIndex) -> None:
        """Write `dx[index] = d`; `+=` for later contributions; index_put_ for repeated indices."""
        first = id(value) not in self._named
        if gradient.is_mixed:
            raise NoRule("an index of slices and tensors that may repeat elements")
        if first:
            like = self.refs.text(self.refs.expression(value))
            self._line(f"{name} = torch.zeros_like({like})")
            self._named[id(value)] = _named(name, value)
            if self.is_node(value):
                self.derived.gradients[id(value)] = name
        target = self.refs.text(ast.Subscript(parsed(name), gradient.index, ast.Load()))
        if gradient.unique:
            self._line(f"{target} {'=' if first else '+='} {self.refs.text(gradient.value.node)}")
            return
        index = self.refs.text(_as_tensors(gradient.index))
        full = self.refs.text(gradient.full.node)
        self._line(f"{name}.index_put_({index}, {full}, accumulate=True)")

    def _add_except_index(self, value: Value, gradient: GradientExceptIndex) -> None:
        """Write `dx = dout.clone(); dx[index] = 0`: overwritten elements have no gradient."""
        first = self.is_node(value) and id(value) not in self._named
        stem = self.names.stem(value) if self.is_node(value) else self._stem(value)
        name = self.names.gradient(value) if first else self.names.fresh(f"d{stem}")
        self._line(f"{name} = {self.refs.text(gradient.upstream.node)}.clone()")
        index = self.refs.text(ast.Subscript(parsed(name), gradient.index, ast.Load()))
        self._line(f"{index} = 0")
        if first:
            self._named[id(value)] = _named(name, value)
            self.derived.gradients[id(value)] = name
        elif self.is_node(value):
            self._add_line(value, _named(name, value))
        else:
            self._keep(value, _named(name, value))

    def _on_own_line(self, stem: str, expr: Expr) -> Expr:
        """Write an expression on a line of its own, and return its name."""
        name = self.names.fresh(stem)
        self._line(f"{name} = {self.refs.text(expr.node)}")
        return Expr(parsed(name), expr.value)

    def _recompute(self, value: Value, computed: ast.expr) -> ast.expr | None:
        """Recompute a value on a line at the top, if its name now holds another, or it is long."""
        text = self.refs.text(computed)
        if value.binds and value.live and value.op is not None:
            name = self.names.stem(value)
            if name in self.refs.names:
                name = self.names.version(name)
        elif len(text) > _LONG:
            name = self.names.fresh(self._stem(value))
        else:
            return None
        self.derived.recomputed.append(f"{name} = {text}")
        return parsed(name)

    def _open(self, statement: Statement | None) -> None:
        """Write the forward line that the next lines undo, as a comment."""
        if statement is not None and statement != self._header:
            self._header = statement
            self.derived.lines += heading(statement.text)

    def comment(self, text: str) -> None:
        """Write a comment in the place of a forward line."""
        self._header = None
        self._line(f"# {text}")

    def _line(self, text: str) -> None:
        self.derived.lines.append(text)

    def _miss(self, op: Op, error: Exception) -> None:
        statement = self.graph.statement(op)
        self._open(statement)
        reason = f"{'no rule for' if isinstance(error, NoRule) else 'cannot be written:'} {error}"
        self._line(f"# {reason}")
        self.derived.missing.append((statement, reason))
        self._break(op, str(error))

    def _break(self, op: Op, reason: str) -> None:
        """Note that the gradients of an operation's arguments are incomplete."""
        for value in self.graph.reads[op.index].values():
            if value.live:
                self.derived.broken[id(value)] = reason


def seed_of(graph: Graph) -> Expr:
    """Return the gradient of a pass's output by default: 1 for a scalar, else `dout`."""
    output = graph.output()
    if output.tensor.dim() == 0:
        return Expr(parsed("1"), 1)
    return Expr(parsed("dout"), zeros_as(output.tensor))


def _named(name: str, value: Value) -> Expr:
    return Expr(parsed(name), zeros_as(value.tensor))


def _is_view(node: ast.expr) -> bool:
    """Tell whether an expression may share memory with a gradient that it names."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr in _VIEWS and _is_view(node.value)
    return isinstance(node, ast.Name) or (isinstance(node, ast.Subscript) and _is_view(node.value))


def _as_tensors(index: ast.expr) -> ast.Tuple:
    """Return an index as a tuple of tensors: index_put_ takes no ranges and lists."""
    parts = []
    for part in index.elts if isinstance(index, ast.Tuple) else [index]:
        is_list = isinstance(part, ast.List) or (
            isinstance(part, ast.Call) and getattr(part.func, "id", "") == "range"
        )
        parts.append(filled(parsed("torch.tensor(x)"), {"x": part}) if is_list else part)
    return ast.Tuple(parts, ast.Load())
