"""The backward pass written down: the operations undone in reverse, a line for each contribution.

A named tensor's gradient is a name of its own, set by the first contribution and added to by later
ones. What has no name passes its gradient on inside the line.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Op
from handgrad.checker.write.compose.broadcasting import stretched
from handgrad.checker.write.compose.compose import Composer
from handgrad.checker.write.compose.expression import Expr, filled, parsed
from handgrad.checker.write.compose.graph import Graph, Value, zeros_as
from handgrad.checker.write.compose.references import References, Unreachable
from handgrad.checker.write.compose.shares import Cut, Part, Share
from handgrad.checker.write.derive.naming import Names, heading
from handgrad.checker.write.rules.rule import NoRule, canonical

_VIEWS = {"view", "reshape", "squeeze", "unsqueeze", "transpose", "permute", "expand", "narrow",
          "diagonal", "movedim", "T", "mT", "swapaxes", "expand_as"}  # fmt: skip


@dataclass
class Written:
    """The text so far. `lines` may hold comments and, between groups, nothing at all."""

    lines: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    """Lines that compute again what has no name any more; they stand first."""
    gradients: dict[int, str] = field(default_factory=dict)
    """The names of the gradients, by the id of the Value."""
    broken: dict[int, str] = field(default_factory=dict)
    """Values whose gradients lack something, and why."""
    missing: list[tuple[Statement | None, str]] = field(default_factory=list)


class Writer:
    """Writes the pass of one graph. `seed` is the gradient of its output."""

    def __init__(self, graph: Graph, refs: References, own: Mapping[int, str], seed: Expr) -> None:
        self.graph, self.refs = graph, refs
        self.names = Names(graph, refs, own)
        self.composer = Composer(graph, refs, self._kept)
        self.written = Written()
        self._known: dict[int, Expr] = {}
        self._pending: dict[int, list[Expr]] = {id(graph.output()): [seed]}
        self._header: Statement | None = None
        self.inside: set[int] = set()
        """Values that a closed form passes over, by their ids."""
        refs.remember = self._again

    def write(self) -> Written:
        """Return the whole pass."""
        for op in reversed(self.graph.ops):
            self._spoilt_by(op)
            self.undo(op)
        return self.written

    def _spoilt_by(self, op: Op) -> None:
        """A write through a view changes the whole: that is undone by no rule of ours."""
        for value in self.graph.values:
            if not (value.spoilt and value.live and value.at == op.index + 1):
                continue
            if id(value) in self._known or id(value) in self._pending:
                self.miss(op, NoRule(f"{canonical(op.func)[0]} in place, through a view"))
                return

    def undo(self, op: Op) -> None:
        """Write what one operation sends back to its arguments."""
        made = self.graph.made[op.index]
        if not any(v.live for v in made):
            return
        lacking = [self.written.broken[id(v)] for v in made if id(v) in self.written.broken]
        if lacking:
            self._break(op, lacking[0])
            return
        try:
            d = [self.gradient(v) for v in made]
            if all(own is None for own in d):
                return
            self._open(self.graph.statement(op))
            for share in self.composer.undo(op, d):
                self.give(share)
        except (NoRule, Unreachable) as why:
            self.miss(op, why)

    def give(self, share: Share) -> None:
        """Write down what a value gets, or keep it for the line that needs it."""
        value, given = share.value, share.given
        if isinstance(given, Part) and given.whole is not None and given.is_mixed:
            given = given.whole
        if isinstance(given, Cut):
            self._cut(value, given)
            return
        if self.is_node(value):
            if isinstance(given, Part):
                self._put(value, self.names.gradient(value), given)
            else:
                self._add(value, given)
        elif not isinstance(given, Part):
            self._pending.setdefault(id(value), []).append(given)
        elif given.whole is not None:
            self._pending.setdefault(id(value), []).append(given.whole)
        else:
            name = self.names.fresh(f"d{self._stem(value)}")
            self._put(value, name, given)
            self._known.pop(id(value), None)
            self._pending.setdefault(id(value), []).append(self._name(name, value))

    def is_node(self, value: Value) -> bool:
        """Whether a gradient of its own is written for a value: it has a name, or is a leaf."""
        return value.bind is not None or (value.op is None and value.live)

    def _stem(self, value: Value) -> str:
        return canonical(value.op.func)[0] if value.op is not None else "t"

    def gradient(self, value: Value) -> Expr | None:
        """Return the gradient of what an operation made, complete by now."""
        if id(value) in self._known:
            return self._known[id(value)]
        shares = self._pending.get(id(value))
        if not shares:
            return None
        if len(shares) == 1 and (self._is_short(shares[0]) or not self.is_node(value)):
            return shares[0]
        total = shares[-1]
        for share in shares[-2::-1]:
            total = Expr(
                filled(parsed("a + b"), {"a": total.node, "b": share.node}),
                total.value + share.value,
            )
        return self._kept(f"d{self._stem(value)}", total) if len(shares) > 1 else total

    def _is_short(self, expr: Expr) -> bool:
        return len(self.refs.text(expr.node)) < 20

    def _add(self, value: Value, expr: Expr) -> None:
        name, first = self.names.gradient(value), id(value) not in self._known
        shape = tuple(value.tensor.shape)
        if expr.shape != shape or expr.is_number:
            named = self.refs.named(value)
            expr = stretched(expr, None if named is None else self.refs.text(named), value.tensor)
        if first:
            several = self.graph.counts.get(id(value), 0) > 1
            if isinstance(expr.node, ast.Name) or (several and _is_view(expr.node)):
                expr = Expr(filled(parsed("d.clone()"), {"d": expr.node}), expr.value.clone())
            self._known[id(value)] = Expr(parsed(name), _zeros_like(expr.value, value))
            self.written.gradients[id(value)] = name
        self._line(f"{name} {'=' if first else '+='} {self.refs.text(expr.node)}")

    def _put(self, value: Value, name: str, part: Part) -> None:
        """`dx[index] = d`, or += where something may stand there, or add up where it must."""
        first = id(value) not in self._known
        if part.is_mixed:
            raise NoRule("an index of slices beside tensors that may meet a place twice")
        if first:
            like = self.refs.text(self.refs.expression(value))
            self._line(f"{name} = torch.zeros_like({like})")
            self._known[id(value)] = Expr(parsed(name), zeros_as(value.tensor))
            if self.is_node(value):
                self.written.gradients[id(value)] = name
        index = self.refs.text(ast.Subscript(parsed(name), part.index, ast.Load()))
        if part.unique:
            self._line(f"{index} {'=' if first else '+='} {self.refs.text(part.value.node)}")
            return
        places = (
            part.index if isinstance(part.index, ast.Tuple) else ast.Tuple([part.index], ast.Load())
        )
        places = _as_tensors(places)
        put = f"{name}.index_put_({self.refs.text(places)}, {self.refs.text(part.full.node)}"
        self._line(f"{put}, accumulate=True)")

    def _cut(self, value: Value, given: Cut) -> None:
        """`dx = dout.clone(); dx[index] = 0`: what was overwritten there gets nothing."""
        own = self.is_node(value) and id(value) not in self._known
        stem = f"d{self.names.stem(value)}" if self.is_node(value) else f"d{self._stem(value)}"
        name = self.names.gradient(value) if own else self.names.fresh(stem)
        self._line(f"{name} = {self.refs.text(given.upstream.node)}.clone()")
        index = self.refs.text(ast.Subscript(parsed(name), given.index, ast.Load()))
        self._line(f"{index} = 0")
        if own:
            self._known[id(value)] = self._name(name, value)
            self.written.gradients[id(value)] = name
        elif self.is_node(value):
            self._add(value, self._name(name, value))
        else:
            self._pending.setdefault(id(value), []).append(self._name(name, value))

    def _name(self, name: str, value: Value) -> Expr:
        return Expr(parsed(name), zeros_as(value.tensor))

    def _kept(self, stem: str, expr: Expr) -> Expr:
        """Give an expression a line and a name of its own."""
        name = self.names.fresh(stem)
        self._line(f"{name} = {self.refs.text(expr.node)}")
        return Expr(parsed(name), expr.value)

    def _again(self, value: Value) -> ast.expr | None:
        """Compute a value again that had a name once, in a line of its own at the beginning."""
        if not value.binds or not value.live or value.op is None:
            return None
        text = self.refs.text(self.refs.computed(value))
        name = self.names.stem(value)
        if name in self.refs.names:
            name = self.names.version(name)
        self.written.again.append(f"{name} = {text}")
        return parsed(name)

    def _open(self, statement: Statement | None) -> None:
        """Say which line of the forward pass is undone from here on."""
        if statement is None or statement == self._header:
            return
        self._header = statement
        self.written.lines += heading(statement.text)

    def say(self, comment: str) -> None:
        """Write a comment of ours in the place of a line of the user's."""
        self._header = None
        self.written.lines.append(f"# {comment}")

    def _line(self, text: str) -> None:
        self.written.lines.append(text)

    def miss(self, op: Op, why: Exception) -> None:
        statement = self.graph.statement(op)
        self._open(statement)
        kind = "no rule for" if isinstance(why, NoRule) else "cannot be written:"
        self._line(f"# {kind} {why}")
        self.written.missing.append((statement, f"{kind} {why}"))
        self._break(op, str(why))

    def _break(self, op: Op, why: str) -> None:
        for value in self.graph.reads[op.index].values():
            if value.live:
                self.written.broken[id(value)] = why


def seed_of(graph: Graph) -> Expr:
    """Return the gradient of a pass's output where nothing names it: 1 for a loss."""
    output = graph.output()
    if output.tensor.dim() == 0:
        return Expr(parsed("1"), 1)
    return Expr(parsed("dout"), zeros_as(output.tensor))


def _is_view(node: ast.expr) -> bool:
    """Tell whether an expression may share memory with a gradient that it names."""
    if isinstance(node, ast.Name):
        return True
    if isinstance(node, ast.Subscript):
        return _is_view(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr in _VIEWS and _is_view(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in _VIEWS and _is_view(node.func.value)
    return False


def _zeros_like(shape: torch.Tensor, value: Value) -> torch.Tensor:
    return shape.to(value.tensor.dtype)


def _as_tensors(places: ast.Tuple) -> ast.Tuple:
    """index_put_ takes no ranges and lists."""
    parts = []
    for part in places.elts:
        listed = isinstance(part, ast.List) or (
            isinstance(part, ast.Call) and getattr(part.func, "id", "") == "range"
        )
        parts.append(filled(parsed("torch.tensor(x)"), {"x": part}) if listed else part)
    return ast.Tuple(parts, ast.Load())
