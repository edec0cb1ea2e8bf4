"""One operation undone: what each of its arguments gets, as an expression of the given shape."""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.composing.expression import Expr, filled, literal, names_in, parsed, printed
from handgrad.checker.composing.graph import Graph, Value, zeros_as
from handgrad.checker.composing.references import References
from handgrad.checker.recording.trace import Op
from handgrad.checker.rules import RULES
from handgrad.checker.rules.rule import Call, Form, NoRule, bound, canonical

LONG = 30
"""Characters from which on an expression that is needed twice gets a line of its own."""
Keep = Callable[[str, Expr], Expr]
"""Gives an expression a name, and returns what to write for it from then on."""


@dataclass(frozen=True)
class Part:
    """`index` of an argument gets `value`, which `full` is in the shape of what stands there.

    `whole` is the same for the whole of the argument, if one expression can say it. `unique`: no
    place is met twice.
    """

    index: ast.expr
    value: Expr
    full: Expr
    whole: Expr | None
    unique: bool

    @property
    def is_mixed(self) -> bool:
        """Whether places met twice stand beside slices, which no function in place adds up."""
        return not self.unique and any(isinstance(n, ast.Slice) for n in ast.walk(self.index))


@dataclass(frozen=True)
class Share:
    """What one argument of an operation gets back."""

    value: Value
    given: Expr | Part


class Composer:
    """Applies rules in the names of one scope. `keep` may give a name to what is needed twice."""

    def __init__(self, graph: Graph, refs: References, keep: Keep | None = None) -> None:
        self.graph = graph
        self.refs = refs
        self.keep = keep

    def undo(self, op: Op, d: Sequence[Expr | None]) -> list[Share]:
        """Return what the arguments of `op` get, `d` being the gradients of what it made.

        Raises NoRule, or Unreachable where what a line needs has no name.
        """
        name, swapped, _ = canonical(op.func)
        rule = RULES.get(name)
        if rule is None:
            raise NoRule(name)
        args = list(op.args)
        if swapped:
            args[:2] = args[1::-1]
        values = bound(rule, name, args, op.kwargs)
        return _Undone(self, op, name, rule.lazy, values).shares(rule.forms, d)


class _Undone:
    """The work on one operation."""

    def __init__(
        self, composer: Composer, op: Op, name: str, lazy: bool, values: dict[str, Any]
    ) -> None:
        self.composer, self.graph, self.refs = composer, composer.graph, composer.refs
        self.op, self.lazy = op, lazy
        made = self.graph.made[op.index]
        self.outs = list(made)
        self.parts: dict[str, Expr] = {}
        self.call = Call(
            name,
            {k: self._held(v) for k, v in values.items()},
            tuple(self._at(v.tensor, op.index + 1) for v in self.outs),
            zeros_as(self.outs[0].tensor),
            str(getattr(op.func, "__name__", name)),
            plain=self._is_plain,
            spelled=self._spelled,
        )
        self.values = values

    def shares(self, forms: Any, d: Sequence[Expr | None]) -> list[Share]:
        self._upstream(d)
        if callable(forms):
            forms = forms(self.call)
        self.values = {**self.values, **{k: v for k, v in self.call.values.items()
                                         if k not in self.values}}  # fmt: skip
        wanted = {
            parameter: value
            for parameter in self.values
            if isinstance(self.values[parameter], Tensor)
            for value in [self.graph.read(self.op, self.values[parameter])]
            if value.live and self._held(self.values[parameter]).is_floating_point()
        }
        lost = [p for p in wanted if p not in forms and not self._listed(p)]
        if lost:
            raise NoRule(f"{self.call.name}, for its argument {lost[0]}")
        chosen = {p: form for p, form in forms.items() if p in wanted and form}
        self._steps(forms, chosen)
        self._shorten(chosen)
        return _doubled([Share(wanted[p], self._share(f, wanted[p])) for p, f in chosen.items()])

    def _listed(self, parameter: str) -> bool:
        return isinstance(self.values[parameter], tuple | list)

    def _upstream(self, d: Sequence[Expr | None]) -> None:
        """Bring d in: in the full shape of the result, unless the rule takes less."""
        for i, (value, own) in enumerate(zip(self.outs, d, strict=True)):
            if own is None:
                own = self._zeros(value)
            elif not self.lazy and (own.shape != tuple(value.tensor.shape) or own.is_number):
                own = self.stretched(own, value)
            self.parts[f"d{i}"] = own
        given = next((i for i, own in enumerate(d) if own is not None), 0)
        self.parts["d"] = self.parts[f"d{given}"]
        self.parts["raw"] = d[given] or self.parts["d"]
        self.call.d = self.parts["d"].value
        self.call.raw_is_number = self.parts["raw"].is_number

    def _zeros(self, value: Value) -> Expr:
        like = self._like(value)
        text = f"torch.zeros_like({like})" if like else f"torch.zeros({tuple(value.tensor.shape)})"
        return Expr(parsed(text), zeros_as(value.tensor))

    def _steps(self, forms: Mapping[str, Form], chosen: Mapping[str, Form]) -> None:
        """Work out the steps on the way ($rstd) that the chosen templates need."""
        steps = {k[1:]: v for k, v in forms.items() if k.startswith("$") and isinstance(v, str)}
        todo = [n for form in chosen.values() for t in _texts(form) for n in names_in(parsed(t))]
        needed: set[str] = set()
        while todo:
            name = todo.pop()
            if name in steps and name not in needed:
                needed.add(name)
                todo += names_in(parsed(steps[name]))
        for name, template in steps.items():
            if name in needed:
                expr = self.filled(template)
                uses = sum(names_in(parsed(t)).count(name)
                           for t in [*steps.values(), *(t for f in chosen.values()
                                                         for t in _texts(f))])  # fmt: skip
                self.parts[name] = self._kept(name, expr) if uses > 1 else expr

    def _shorten(self, chosen: Mapping[str, Form]) -> None:
        """Give a name to what is long and needed twice."""
        if self.composer.keep is None:
            return
        used = [n for form in chosen.values() for t in _texts(form) for n in names_in(parsed(t))]
        for name in dict.fromkeys(used):
            if used.count(name) < 2 or name in ("torch", "dim", "index"):
                continue
            expr = self._part(name)
            if expr is not None and len(expr.text) > LONG and _computes(expr.node):
                stem = f"d{self.call.name}" if name == "d" else self._stem(name)
                self.parts[name] = self._kept(stem, expr)

    def _stem(self, name: str) -> str:
        if name == "out":
            return self.call.name
        value = self.values.get(name)
        if isinstance(value, Tensor):
            op = self.graph.producer(self.graph.read(self.op, value))
            if op is not None:
                return canonical(op.func)[0]
        return name

    def _kept(self, name: str, expr: Expr) -> Expr:
        if self.composer.keep is None or not _computes(expr.node):
            return expr
        return self.composer.keep(name, expr)

    def _share(self, form: Form, value: Value) -> Expr | Part:
        if isinstance(form, str):
            return self._fitted(self.filled(form), value)
        index = self._index(form.index)
        whole = self._fitted(self.filled(form.whole), value) if form.whole else None
        raw = self.parts["raw"] if form.value == "d" else self.filled(form.value)
        return Part(index, raw, self.filled(form.value), whole, form.unique)

    def _index(self, text: str) -> ast.expr:
        expr = self._part(text)
        assert expr is not None
        return expr.node

    def filled(self, template: str) -> Expr:
        """Return the template with everything in it written out, and what it gives."""
        tree = parsed(template)
        parts, env = {}, {"torch": torch}
        for name in dict.fromkeys(names_in(tree)):
            part = self._part(name)
            if part is not None:
                parts[name], env[name] = part.node, part.value
        code = compile(template, "<rule>", "eval")
        with torch._C.DisableTorchFunction(), torch.no_grad():
            value = eval(code, env)
        return Expr(filled(tree, parts), value)

    def _part(self, name: str) -> Expr | None:
        """Return what a name in a template stands for; None for torch itself."""
        if name in self.parts:
            return self.parts[name]
        if name in ("out", "indices"):
            value = self.outs[1 if name == "indices" else 0]
            made = Expr(self.refs.expression(value), self._at(value.tensor, self.op.index + 1))
        elif name in self.call.extra:
            given = self.call.extra[name]
            made = Expr(self.refs.argument(given, self.op), self._held(given))
        elif name in self.values:
            given = self.values[name]
            made = Expr(self.refs.argument(given, self.op), self._held(given))
        else:
            return None
        self.parts[name] = made
        return made

    def _fitted(self, expr: Expr, value: Value) -> Expr:
        """Undo the broadcasting of an argument: sum what was stretched."""
        target = tuple(value.tensor.shape)
        full = tuple(self.outs[0].tensor.shape) if self.lazy else expr.shape
        if self.lazy and not _widens(target, full):
            full = expr.shape  # a reduction: the argument is the larger one
        summed = [i for i in range(len(full)) if not _kept_at(i, full, target)]
        if not summed:
            return self._reshaped(expr, target)
        if _padded(expr.shape, len(full)) != full and any(
            _padded(expr.shape, len(full))[i] != full[i] for i in summed
        ):
            expr = self.stretched(expr, self.outs[0], full)
        return self._reshaped(_summed(expr, full, target), target)

    def _reshaped(self, expr: Expr, target: tuple[int, ...]) -> Expr:
        """Leave out sizes of 1 that are too many; fewer are left to broadcasting."""
        if len(expr.shape) > len(target) and isinstance(expr.value, Tensor):
            shape = expr.shape[len(expr.shape) - len(target) :] if target else ()
            node = ast.Call(
                ast.Attribute(expr.node, "reshape", ast.Load()), [literal(tuple(shape))], []
            )
            return Expr(node, expr.value.reshape(shape))
        return expr

    def stretched(self, expr: Expr, value: Value, shape: tuple[int, ...] | None = None) -> Expr:
        """Return the expression in the full shape of a value, for what does not broadcast."""
        return stretched(expr, self._like(value), value.tensor, shape)

    def _like(self, value: Value) -> str | None:
        named = self.refs.named(value)
        if named is not None:
            return printed(named)
        shape = value.tensor.shape
        for other in self.graph.reads[self.op.index].values():
            own = self.refs.named(other)
            if (
                own is not None
                and other.tensor.shape == shape
                and other.tensor.dtype == value.tensor.dtype
            ):
                return printed(own)
        return None

    def _is_plain(self, name: str) -> bool:
        expr = self._part(name)
        return expr is not None and isinstance(expr.node, ast.Name | ast.Attribute)

    def _spelled(self, number: Any) -> str | None:
        node = self.refs.spellings.of(number, self.graph.statement(self.op))
        if node is None:
            return None
        name = f"number{len(self.call.extra)}"
        if isinstance(node, ast.Constant) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)
        ):
            return printed(node)
        self.call.extra[name] = number
        self.parts[name] = Expr(node, number)
        return name

    def _held(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._at(value, self.op.index)
        if isinstance(value, tuple | list) and not isinstance(value, torch.Size):
            held = [self._held(v) for v in value]
            return held if isinstance(value, list) else tuple(held)
        return value

    def _at(self, tensor: Tensor, index: int) -> Tensor:
        if tensor.layout is not torch.strided:
            return tensor.detach()
        return self.graph.forward.trace.at(tensor, index).detach()


def _doubled(shares: list[Share]) -> list[Share]:
    """x * x gives 2 * x * d, rather than x * d twice."""
    if len(shares) != 2 or shares[0].value is not shares[1].value:
        return shares
    first, second = (s.given for s in shares)
    if isinstance(first, Part) or isinstance(second, Part) or first.text != second.text:
        return shares
    node = filled(parsed("2 * (d)"), {"d": first.node})
    if isinstance(first.node, ast.BinOp) and isinstance(first.node.op, ast.Mult):
        twice = ast.BinOp(ast.Constant(2), ast.Mult(), first.node.left)
        node = ast.BinOp(twice, ast.Mult(), first.node.right)
    return [Share(shares[0].value, Expr(node, first.value))]


def stretched(
    expr: Expr, like: str | None, tensor: Tensor, shape: tuple[int, ...] | None = None
) -> Expr:
    """Return the expression in the shape of `tensor`, which is written `like` if it has a name.

    In the lecture's manner: `torch.ones_like(counts) * dcounts_sum`, exact in every bit.
    """
    full = tuple(tensor.shape) if shape is None else shape
    value = zeros_as(tensor).new_zeros(full)
    if like is None or full != tuple(tensor.shape):
        if expr.is_number:
            dtype = "" if tensor.dtype == torch.get_default_dtype() else f", dtype={tensor.dtype}"
            node = filled(parsed(f"torch.full({full}, d{dtype})"), {"d": expr.node})
        else:
            node = filled(parsed(f"d.expand({full})"), {"d": expr.node})
        return Expr(node, value)
    if expr.is_number:
        if isinstance(expr.node, ast.Constant) and expr.node.value == 1:
            return Expr(parsed(f"torch.ones_like({like})"), value)
        return Expr(filled(parsed(f"torch.full_like({like}, d)"), {"d": expr.node}), value)
    ones, node = parsed(f"torch.ones_like({like})"), expr.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        inner = ast.BinOp(node.left, ast.Mult(), ones)
        return Expr(ast.BinOp(inner, ast.Mult(), node.right), value)
    return Expr(ast.BinOp(ones, ast.Mult(), node), value)


def _texts(form: Form) -> list[str]:
    return [form] if isinstance(form, str) else [form.value, form.whole or "0"]


def _computes(node: ast.expr) -> bool:
    return any(isinstance(n, ast.Call | ast.BinOp) for n in ast.walk(node))


def _padded(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    return (1,) * (rank - len(shape)) + shape


def _widens(target: tuple[int, ...], full: tuple[int, ...]) -> bool:
    """Tell whether `target` broadcasts to `full`."""
    if len(target) > len(full):
        return False
    own = _padded(target, len(full))
    return all(a in (1, b) for a, b in zip(own, full, strict=True))


def _kept_at(i: int, full: tuple[int, ...], target: tuple[int, ...]) -> bool:
    lead = len(full) - len(target)
    return i >= lead and (target[i - lead] == full[i] or target[i - lead] != 1)


def _summed(expr: Expr, full: tuple[int, ...], target: tuple[int, ...]) -> Expr:
    """Sum to the target: leading dimensions go, inner ones keep their place."""
    lead = len(full) - len(target)
    shape = _padded(expr.shape, len(full))
    if len(expr.shape) < len(full):  # sizes of 1 in front that never were: nothing to sum there
        drop = len(full) - len(expr.shape)
        inner = [i - drop for i in range(lead, len(full)) if not _kept_at(i, full, target)]
        first = list(range(max(lead - drop, 0)))
    else:
        inner = [i for i in range(lead, len(full)) if not _kept_at(i, full, target)]
        first = list(range(lead))
    del shape
    if not target and len(first) == len(expr.shape):
        return _sum(expr, "")
    if first:
        expr = _sum(expr, str(first[0] if len(first) == 1 else tuple(first)))
        inner = [i - len(first) for i in inner]
    if inner:
        at = str(inner[0] if len(inner) == 1 else tuple(inner))
        expr = _sum(expr, f"{at}, keepdim=True")
    return expr


def _sum(expr: Expr, how: str) -> Expr:
    text = f"d.sum({how})"
    value = eval(text, {"d": expr.value})
    return Expr(filled(parsed(text), {"d": expr.node}), value)
