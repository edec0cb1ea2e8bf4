"""One operation undone: what each of its arguments gets, as an expression of the given shape."""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Op
from handgrad.checker.write.compose.arguments import Arguments
from handgrad.checker.write.compose.broadcasting import (
    is_short,
    squeezed,
    stretched,
    summed,
    summed_over,
    widens,
)
from handgrad.checker.write.compose.expression import Expr, filled, methods_of, names_in, parsed
from handgrad.checker.write.compose.graph import Graph, Value, zeros_as
from handgrad.checker.write.compose.references import References
from handgrad.checker.write.compose.shares import Cut, Part, Share, doubled
from handgrad.checker.write.rules import RULES
from handgrad.checker.write.rules.rule import Form, NoRule, Overwritten, bound, canonical

LONG = 30
"""Characters from which on an expression that is needed twice gets a line of its own."""
Keep = Callable[[str, Expr], Expr]
"""Gives an expression a name, and returns what to write for it from then on."""


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
        given = list(op.args)
        if swapped:
            given[:2] = given[1::-1]
        values = bound(rule, name, given, op.kwargs)
        args = Arguments(self.graph, self.refs, op, name, values)
        return _Undone(self, args, rule.lazy).shares(rule.forms, d)

    def applied(
        self,
        op: Op,
        name: str,
        values: dict[str, Any],
        forms: Any,
        d: Sequence[Expr | None],
        statements: Sequence[Statement],
    ) -> list[Share]:
        """Return what the arguments of a whole block get whose last operation is `op`."""
        args = Arguments(self.graph, self.refs, op, name, values)
        args.statements = statements
        return _Undone(self, args, lazy=True).shares(forms, d)


class _Undone:
    """The work on one operation."""

    def __init__(self, composer: Composer, args: Arguments, lazy: bool) -> None:
        self.composer, self.args, self.lazy = composer, args, lazy
        self.call, self.outs = args.call, args.outs

    def shares(self, forms: Any, d: Sequence[Expr | None]) -> list[Share]:
        self._upstream(d)
        if callable(forms):
            forms = forms(self.call)
        self.args.values = {**self.call.values, **self.args.values}  # a rule may add to them
        wanted = self._wanted()
        if any(v.tensor.is_complex() for v in (*wanted.values(), *self.outs)):
            raise NoRule(f"{self.call.name} of complex numbers")
        lost = [p for p in wanted if p not in forms]
        if lost:
            raise NoRule(f"{self.call.name}, for its argument {lost[0]}")
        chosen = {p: form for p, form in forms.items() if p in wanted and form}
        steps = self._needed(forms, chosen)
        texts = [*steps.values(), *(t for form in chosen.values() for t in _texts(form))]
        self._widened(texts, d)
        self._shorten(texts)
        self._steps(steps, texts)
        return doubled([Share(wanted[p], self._share(f, wanted[p])) for p, f in chosen.items()])

    def _wanted(self) -> dict[str, Value]:
        """Return the parameters that a gradient goes to."""
        args = self.args
        tensors = {p: v for p, v in args.values.items() if isinstance(v, Tensor)}
        read = {p: args.graph.read(args.op, v) for p, v in tensors.items()}
        return {p: value for p, value in read.items() if value.live}

    def _upstream(self, d: Sequence[Expr | None]) -> None:
        """Bring d in: in the full shape of the result, unless the rule takes less."""
        for i, (value, own) in enumerate(zip(self.outs, d, strict=True)):
            if own is None:
                own = self._zeros(value)
            elif not self.lazy and (own.shape != tuple(value.tensor.shape) or own.is_number):
                own = self.stretched(own, value)
            self.args.parts[f"d{i}"] = own
        given = next((i for i, own in enumerate(d) if own is not None), 0)
        self.args.parts["d"] = self.args.parts[f"d{given}"]
        self.args.parts["raw"] = d[given] or self.args.parts["d"]
        self.call.d = self.args.parts["d"].value
        self.call.raw_is_number = self.args.parts["raw"].is_number

    def _widened(self, texts: Sequence[str], d: Sequence[Expr | None]) -> None:
        """Bring d to the full shape where a template asks it for more than to broadcast."""
        asked = {method for text in texts for method in methods_of("d", text)}
        given = next((i for i, own in enumerate(d) if own is not None), 0)
        own, out = self.args.parts["d"], self.outs[given]
        rank_only = asked == {"unsqueeze"} and len(own.shape) == out.tensor.dim()
        if asked and not rank_only and (own.is_number or own.shape != tuple(out.tensor.shape)):
            self.args.parts["d"] = self.stretched(own, out)

    def _zeros(self, value: Value) -> Expr:
        like = self.args.like(value)
        text = f"torch.zeros_like({like})" if like else f"torch.zeros({tuple(value.tensor.shape)})"
        return Expr(parsed(text), zeros_as(value.tensor))

    def _needed(self, forms: Mapping[str, Form], chosen: Mapping[str, Form]) -> dict[str, str]:
        """Return the steps on the way ($rstd) that the chosen templates need."""
        steps = {k[1:]: v for k, v in forms.items() if k.startswith("$") and isinstance(v, str)}
        todo = [n for form in chosen.values() for t in _texts(form) for n in names_in(parsed(t))]
        needed: set[str] = set()
        while todo:
            name = todo.pop()
            if name in steps and name not in needed:
                needed.add(name)
                todo += names_in(parsed(steps[name]))
        return {name: text for name, text in steps.items() if name in needed}

    def _steps(self, steps: Mapping[str, str], texts: Sequence[str]) -> None:
        for name, template in steps.items():
            uses = sum(names_in(parsed(text)).count(name) for text in texts)
            expr = self.args.filled(template)
            self.args.parts[name] = self._kept(name, expr) if uses > 1 else expr

    def _shorten(self, texts: Sequence[str]) -> None:
        """Give a name to what is long and needed twice."""
        if self.composer.keep is None:
            return
        used = [name for text in texts for name in names_in(parsed(text))]
        for name in dict.fromkeys(used):
            again = used.count(name) - 1
            if again < 1 or name in ("torch", "dim", "index"):
                continue
            expr = self.args.part(name)
            if expr is not None and len(expr.text) * again > LONG and _computes(expr.node):
                stem = f"d{self.call.name}" if name == "d" else self.args.stem(name)
                self.args.parts[name] = self._kept(stem, expr)

    def _kept(self, name: str, expr: Expr) -> Expr:
        if self.composer.keep is None or not _computes(expr.node):
            return expr
        return self.composer.keep(name, expr)

    def _share(self, form: Form, value: Value) -> Expr | Part | Cut:
        if isinstance(form, str):
            expr, d = self.args.filled(form), self.args.parts["d"]
            if (
                d.is_number
                and isinstance(expr.value, Tensor)
                and expr.value.dtype != value.tensor.dtype
            ):
                self.args.parts["d"] = self.stretched(
                    d, self.outs[0], expr.shape
                )  # a mask, times a number
                expr = self.args.filled(form)
            return self._fitted(expr, value)
        if isinstance(form, Overwritten):
            return Cut(self._index(form.index), self.args.parts["d"])
        index = self._index(form.index)
        whole = self._fitted(self.args.filled(form.whole), value) if form.whole else None
        raw = self.args.parts["raw"] if form.value == "d" else self.args.filled(form.value)
        return Part(index, raw, self.args.filled(form.value), whole, form.unique)

    def _index(self, text: str) -> ast.expr:
        expr = self.args.part(text)
        assert expr is not None
        return expr.node

    def _fitted(self, expr: Expr, value: Value) -> Expr:
        """Bring what an argument gets to its dtype, and undo its broadcasting."""
        own = expr.value
        if isinstance(own, Tensor) and not own.is_floating_point():  # a mask
            node = filled(parsed(f"d.to({value.tensor.dtype})"), {"d": expr.node})
            expr = Expr(node, own.to(value.tensor.dtype))
        return self._unstretched(expr, value)

    def _unstretched(self, expr: Expr, value: Value) -> Expr:
        """Sum what broadcasting stretched."""
        target = tuple(value.tensor.shape)
        full = tuple(self.outs[0].tensor.shape) if self.lazy else expr.shape
        if self.lazy and not widens(target, full):
            full = expr.shape  # a reduction: the argument is the larger one
        dims = summed_over(full, target)
        if not dims:
            return squeezed(expr, target)
        if is_short(expr, full, dims):
            expr = self.stretched(expr, self.outs[0], full)
        return squeezed(summed(expr, full, target), target)

    def stretched(self, expr: Expr, value: Value, shape: tuple[int, ...] | None = None) -> Expr:
        """Return the expression in the full shape of a value, for what does not broadcast."""
        return stretched(expr, self.args.like(value), value.tensor, shape)


def _texts(form: Form) -> list[str]:
    if isinstance(form, Overwritten):
        return ["d"]
    return [form] if isinstance(form, str) else [form.value, form.whole or "0"]


def _computes(node: ast.expr) -> bool:
    return any(isinstance(n, ast.Call | ast.BinOp) for n in ast.walk(node))
