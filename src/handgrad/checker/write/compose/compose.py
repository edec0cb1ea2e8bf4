"""Apply the rule of one operation: what it contributes to the gradient of each argument."""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Op
from handgrad.checker.write.compose.arguments import Arguments
from handgrad.checker.write.compose.broadcasting import (
    broadcasts_to,
    expanded,
    is_short,
    squeezed,
    summed,
    summed_over,
)
from handgrad.checker.write.compose.contributions import (
    Contribution,
    GradientAtIndex,
    GradientExceptIndex,
    doubled,
)
from handgrad.checker.write.compose.expression import Expr, filled, methods_of, names_in, parsed
from handgrad.checker.write.compose.graph import Graph, Value, zeros_as
from handgrad.checker.write.compose.references import References
from handgrad.checker.write.rules import RULES
from handgrad.checker.write.rules.rule import ExceptIndex, Form, NoRule, bound, canonical

LONG = 30
"""Longer expressions (in characters) that are used twice get a line of their own."""
WIDE = 40
"""Longer steps of a rule get one even if they are used once."""
Keep = Callable[[str, Expr], Expr]
"""Writes an expression on a line of its own, and returns its name."""


class Composer:
    """Applies rules with the names of one scope. `keep` names expressions that are used twice."""

    def __init__(self, graph: Graph, refs: References, keep: Keep | None = None) -> None:
        self.graph = graph
        self.refs = refs
        self.keep = keep

    def undo(self, op: Op, d: Sequence[Expr | None]) -> list[Contribution]:
        """Return the contributions of `op`, given the gradients `d` of its results.

        Raises NoRule, or Unreachable if no expression gives a tensor that a line needs.
        """
        name, swapped, _ = canonical(op.func)
        rule = RULES.get(name)
        if rule is None:
            raise NoRule(name)
        arguments = list(op.args)
        if swapped:
            arguments[:2] = arguments[1::-1]
        values = bound(rule, name, arguments, op.kwargs)
        args = Arguments(self.graph, self.refs, op, name, values)
        return _RuleApplication(self, args, rule.lazy).contributions(rule.forms, d)

    def applied(
        self,
        op: Op,
        name: str,
        values: dict[str, Any],
        forms: Any,
        d: Sequence[Expr | None],
        statements: Sequence[Statement],
    ) -> list[Contribution]:
        """Return the contributions of a whole block that ends with `op`."""
        args = Arguments(self.graph, self.refs, op, name, values)
        args.statements = statements
        return _RuleApplication(self, args, lazy=True).contributions(forms, d)


class _RuleApplication:
    """The application of a rule to one operation."""

    def __init__(self, composer: Composer, args: Arguments, lazy: bool) -> None:
        self.composer, self.args, self.lazy = composer, args, lazy
        self.call, self.outs = args.call, args.outs

    def contributions(self, forms: Any, d: Sequence[Expr | None]) -> list[Contribution]:
        self._upstream(d)
        if callable(forms):
            forms = forms(self.call)
        self.args.values = {**self.call.values, **self.args.values}  # a rule may add values
        wanted = self._wanted()
        if any(v.tensor.is_complex() for v in (*wanted.values(), *self.outs)):
            raise NoRule(f"{self.call.name} of complex numbers")
        lacking = [p for p in wanted if p not in forms]
        if lacking:
            raise NoRule(f"{self.call.name}, for its argument {lacking[0]}")
        chosen = {p: form for p, form in forms.items() if p in wanted and form}
        steps = self._needed(forms, chosen)
        texts = [*steps.values(), *(t for form in chosen.values() for t in _texts(form))]
        self._widened(texts, d)
        self._shorten(texts)
        self._steps(steps, texts)
        return doubled(
            [Contribution(wanted[p], self._contribution(f, wanted[p])) for p, f in chosen.items()]
        )

    def _wanted(self) -> dict[str, Value]:
        """Return the parameters whose arguments have a gradient."""
        args = self.args
        tensors = {p: v for p, v in args.values.items() if isinstance(v, Tensor)}
        read = {p: args.graph.read(args.op, v) for p, v in tensors.items()}
        return {p: value for p, value in read.items() if value.live}

    def _upstream(self, d: Sequence[Expr | None]) -> None:
        """Add the upstream gradients d, d0, d1, ..., expanded unless the rule is lazy."""
        for i, (value, gradient) in enumerate(zip(self.outs, d, strict=True)):
            if gradient is None:
                like, shape = self.args.like(value), tuple(value.tensor.shape)
                text = f"torch.zeros_like({like})" if like else f"torch.zeros({shape})"
                gradient = Expr(parsed(text), zeros_as(value.tensor))
            elif not self.lazy and not gradient.fills(value.tensor):
                gradient = self.expanded(gradient, value)
            self.args.parts[f"d{i}"] = gradient
        first = _first(d)
        self.args.parts["d"] = self.args.parts[f"d{first}"]
        self.args.parts["raw"] = d[first] or self.args.parts["d"]
        self.call.d = self.args.parts["d"].value
        self.call.raw_is_number = self.args.parts["raw"].is_number

    def _widened(self, texts: Sequence[str], d: Sequence[Expr | None]) -> None:
        """Expand d where a template calls a method of it, which does not broadcast."""
        methods = {method for text in texts for method in methods_of("d", text)}
        gradient, out = self.args.parts["d"], self.outs[_first(d)]
        rank_only = methods == {"unsqueeze"} and len(gradient.shape) == out.tensor.dim()
        if methods and not rank_only and not gradient.fills(out.tensor):
            self.args.parts["d"] = self.expanded(gradient, out)

    def _needed(self, forms: Mapping[str, Form], chosen: Mapping[str, Form]) -> dict[str, str]:
        """Return the intermediate steps ($rstd) that the chosen templates need."""
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
            own_line = uses > 1 or len(expr.text) > WIDE
            self.args.parts[name] = self._kept(name, expr) if own_line else expr

    def _shorten(self, texts: Sequence[str]) -> None:
        """Give names to long expressions that are used more than once."""
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

    def _contribution(
        self, form: Form, value: Value
    ) -> Expr | GradientAtIndex | GradientExceptIndex:
        if isinstance(form, str):
            expr, d = self.args.filled(form), self.args.parts["d"]
            is_tensor = isinstance(expr.value, Tensor)
            if d.is_number and is_tensor and expr.value.dtype != value.tensor.dtype:
                # a mask, times a number
                self.args.parts["d"] = self.expanded(d, self.outs[0], expr.shape)
                expr = self.args.filled(form)
            return self._fitted(expr, value)
        if isinstance(form, ExceptIndex):
            return GradientExceptIndex(self._index(form.index), self.args.parts["d"])
        index = self._index(form.index)
        whole = self._fitted(self.args.filled(form.whole), value) if form.whole else None
        raw, d = self.args.parts["raw"], self.args.parts["d"]
        return GradientAtIndex(index, raw, d, whole, form.unique)

    def _index(self, text: str) -> ast.expr:
        expr = self.args.part(text)
        assert expr is not None
        return expr.node

    def _fitted(self, expr: Expr, value: Value) -> Expr:
        """Convert a gradient to the argument's dtype, and undo the argument's broadcasting."""
        tensor = expr.value
        if isinstance(tensor, Tensor) and not tensor.is_floating_point():  # a mask
            node = filled(parsed(f"d.to({value.tensor.dtype})"), {"d": expr.node})
            expr = Expr(node, tensor.to(value.tensor.dtype))
        target = tuple(value.tensor.shape)
        full = tuple(self.outs[0].tensor.shape) if self.lazy else expr.shape
        if self.lazy and not broadcasts_to(target, full):
            full = expr.shape  # a reduction: the argument is larger than the result
        dims = summed_over(full, target)
        if not dims:
            return squeezed(expr, target)
        if is_short(expr, full, dims):
            expr = self.expanded(expr, self.outs[0], full)
        return squeezed(summed(expr, full, target), target)

    def expanded(self, expr: Expr, value: Value, shape: tuple[int, ...] | None = None) -> Expr:
        """Return the expression in the full shape of a value."""
        return expanded(expr, self.args.like(value), value.tensor, shape)


def _first(d: Sequence[Expr | None]) -> int:
    return next((i for i, gradient in enumerate(d) if gradient is not None), 0)


def _texts(form: Form) -> list[str]:
    if isinstance(form, ExceptIndex):
        return ["d"]
    return [form] if isinstance(form, str) else ["d", form.whole or "0"]


def _computes(node: ast.expr) -> bool:
    return any(isinstance(n, ast.Call | ast.BinOp) for n in ast.walk(node))
