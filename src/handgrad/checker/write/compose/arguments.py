"""What the names in a template stand for: one operation's arguments, results and numbers."""

import ast
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Op
from handgrad.checker.write.compose.expression import Expr, filled, names_in, parsed, printed
from handgrad.checker.write.compose.graph import Graph, Value, zeros_as
from handgrad.checker.write.compose.references import References
from handgrad.checker.write.rules.rule import Call, canonical


class Arguments:
    """The arguments of one operation, `values` by parameter. `parts` is what is written for each
    name so far; more may be put there."""

    def __init__(
        self, graph: Graph, refs: References, op: Op, name: str, values: dict[str, Any]
    ) -> None:
        self.graph, self.refs, self.op = graph, refs, op
        self.outs = list(graph.made[op.index])
        self.parts: dict[str, Expr] = {}
        own = self.graph.statement(op)
        self.statements: Sequence[Statement] = [own] if own is not None else []
        """Where the user's spelling of a number is looked for."""
        self.call = Call(
            name,
            {k: self.held(v) for k, v in values.items()},
            tuple(self.at(v.tensor, op.index + 1) for v in self.outs),
            zeros_as(self.outs[0].tensor),
            str(getattr(op.func, "__name__", name)),
            plain=self.is_plain,
            spelled=self.spelled,
            alike=self.alike,
        )
        self.values = values

    def stem(self, name: str) -> str:
        if name == "out":
            return self.call.name
        value = self.values.get(name)
        if isinstance(value, Tensor):
            op = self.graph.producer(self.graph.read(self.op, value))
            if op is not None:
                return canonical(op.func)[0]
        return name

    def filled(self, template: str) -> Expr:
        """Return the template with everything in it written out, and what it gives."""
        tree = parsed(template)
        parts, env = {}, {"torch": torch}
        for name in dict.fromkeys(names_in(tree)):
            part = self.part(name)
            if part is not None:
                parts[name], env[name] = part.node, part.value
        code = compile(template, "<rule>", "eval")
        with torch._C.DisableTorchFunction(), torch.no_grad():
            value = eval(code, env)
        return Expr(filled(tree, parts), value)

    def part(self, name: str) -> Expr | None:
        """Return what a name in a template stands for; None for torch itself."""
        if name in self.parts:
            return self.parts[name]
        if name in ("out", "indices"):
            value = self.outs[1 if name == "indices" else 0]
            made = Expr(self.refs.expression(value), self.at(value.tensor, self.op.index + 1))
        elif name in self.call.extra:
            given = self.call.extra[name]
            made = Expr(self.refs.argument(given, self.op), self.held(given))
        elif name in self.values:
            given = self.values[name]
            made = Expr(self.refs.argument(given, self.op), self.held(given))
        else:
            return None
        self.parts[name] = made
        return made

    def like(self, value: Value) -> str | None:
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

    def is_plain(self, name: str) -> bool:
        expr = self.part(name)
        return expr is not None and isinstance(expr.node, ast.Name | ast.Attribute)

    def alike(self, name: str) -> str | None:
        """Return a name for a tensor of the same shape that an argument was computed from."""
        value = self.graph.read(self.op, self.values[name])
        shape = value.tensor.shape
        while value.op is not None:
            inputs = [v for v in self.graph.reads[value.op.index].values()
                      if v.tensor.shape == shape]  # fmt: skip
            if not inputs:
                return None
            value = inputs[0]
            named = self.refs.named(value)
            if isinstance(named, ast.Name):
                held = self.call.values[name]
                self.parts["alike"] = Expr(named, held)
                return "alike"
        return None

    def spelled(self, number: Any) -> str | None:
        found = (self.refs.spellings.of(number, statement) for statement in self.statements)
        node = next((own for own in found if own is not None), None)
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

    def held(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self.at(value, self.op.index)
        if isinstance(value, tuple | list) and not isinstance(value, torch.Size):
            held = [self.held(v) for v in value]
            return held if isinstance(value, list) else tuple(held)
        return value

    def at(self, tensor: Tensor, index: int) -> Tensor:
        if tensor.layout is not torch.strided:
            return tensor.detach()
        return self.graph.forward.trace.at(tensor, index).detach()
