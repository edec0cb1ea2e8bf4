"""What the names in a rule's templates refer to: one operation's arguments and results."""

import ast
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Op
from handgrad.checker.write.compose.expression import (
    Expr,
    filled,
    is_product,
    names_in,
    parsed,
    printed,
    transposed,
)
from handgrad.checker.write.compose.graph import Graph, Value, zeros_as
from handgrad.checker.write.compose.references import References
from handgrad.checker.write.rules.rule import OpCall, canonical


class Arguments:
    """The arguments of one operation, `values` by parameter.

    `parts` holds the expression for each template name that was needed so far. Callers may add to
    it, for example the upstream gradient `d`.
    """

    def __init__(
        self, graph: Graph, refs: References, op: Op, name: str, values: dict[str, Any]
    ) -> None:
        self.graph, self.refs, self.op = graph, refs, op
        self.outs = list(graph.results[op.index])
        self.parts: dict[str, Expr] = {}
        self.statements: Sequence[Statement | None] = [graph.statement(op)]
        """Where to look for the user's spelling of a number."""
        self.call = OpCall(
            name,
            {k: self.recorded(v) for k, v in values.items()},
            tuple(self.at(v.tensor, op.index + 1) for v in self.outs),
            zeros_as(self.outs[0].tensor),
            str(getattr(op.func, "__name__", name)),
            plain=self.is_plain,
            spelled=self.spelled,
            alike=self.alike,
            sized=self.sized,
            turned=self.turned,
            is_moved=self.is_moved,
            is_product=lambda: is_product(self.parts["d"].node),
        )
        self.values = values

    def stem(self, name: str) -> str:
        """Return a name for a step: that of the operation which computed the argument."""
        if name == "out":
            return self.call.name
        value = self.values.get(name)
        if isinstance(value, Tensor):
            op = self.graph.producer(self.graph.read(self.op, value))
            if op is not None:
                return canonical(op.func)[0]
        return name

    def filled(self, template: str) -> Expr:
        """Return the template with its names replaced by expressions, and its value."""
        tree = parsed(template)
        nodes, values = {}, {"torch": torch}
        for name in dict.fromkeys(names_in(tree)):
            part = self.part(name)
            if part is not None:
                nodes[name], values[name] = part.node, part.value
        with torch._C.DisableTorchFunction(), torch.no_grad():
            value = eval(template, values)
        node = filled(tree, nodes)
        if is_product(node) and isinstance(value, Tensor):
            value = value.contiguous()  # written as (d.T @ x).T, it may be a view
        return Expr(node, value)

    def part(self, name: str) -> Expr | None:
        """Return the expression for a name in a template; None for torch itself."""
        if name not in self.parts:
            if name in ("out", "indices"):
                result = self.outs[1 if name == "indices" else 0]
                recorded = self.at(result.tensor, self.op.index + 1)
                self.parts[name] = Expr(self.refs.expression(result), recorded)
            elif name in self.call.extra or name in self.values:
                argument = self.call.extra[name] if name in self.call.extra else self.values[name]
                node = self.refs.argument(argument, self.op)
                self.parts[name] = Expr(node, self.recorded(argument))
        return self.parts.get(name)

    def like(self, value: Value) -> str | None:
        """Return the name of a value, or of an argument of the same shape and dtype."""
        shape, dtype = value.tensor.shape, value.tensor.dtype
        for other in (value, *self.graph.reads[self.op.index].values()):
            name = self.refs.named(other)
            if name is not None and (other.tensor.shape, other.tensor.dtype) == (shape, dtype):
                return printed(name)
        return None

    def is_plain(self, name: str) -> bool:
        """Tell whether a parameter is written as a name or an attribute."""
        expr = self.part(name)
        return expr is not None and isinstance(expr.node, ast.Name | ast.Attribute)

    def alike(self, name: str) -> str | None:
        """Return a template name for a named tensor of the same shape upstream of an argument."""
        value = self.graph.read(self.op, self.values[name])
        shape = value.tensor.shape
        while value.op is not None:
            inputs = [v for v in self.graph.reads[value.op.index].values()
                      if v.tensor.shape == shape]  # fmt: skip
            if not inputs:
                return None
            value = inputs[0]
            node = self.refs.named(value)
            if isinstance(node, ast.Name):
                self.parts["alike"] = Expr(node, self.call.values[name])
                return "alike"
        return None

    def spelled(self, number: Any) -> str | None:
        """Return how the user's line writes a number: its digits, or a template name for it."""
        spellings = (self.refs.spellings.of(number, statement) for statement in self.statements)
        node = next((spelling for spelling in spellings if spelling is not None), None)
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

    def sized(self, shape: tuple[int, ...]) -> str | None:
        """Return a shape with the names that the user's line has for its sizes, at most one -1."""
        texts = []
        for size in shape:
            once = shape.count(size) == 1  # of two equal sizes, one may have another name
            nodes = (self.refs.spellings.name_of(size, s) for s in self.statements if once)
            node = next((node for node in nodes if node is not None), None)
            texts.append("-1" if node is None else f"size{size}")
            if node is not None:
                self.call.extra[f"size{size}"] = size
                self.parts[f"size{size}"] = Expr(node, size)
        if texts.count("-1") > 1 or set(texts) <= {"-1"} or 0 in shape:
            return None
        return ", ".join(texts)

    def is_moved(self, name: str) -> bool:
        """Tell whether a parameter is written as a name with its dimensions in another order."""
        expr = self.part(name)
        call = expr.node if expr is not None else None
        return (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in ("transpose", "permute", "swapaxes", "movedim")
            and isinstance(call.func.value, ast.Name)
        )

    def turned(self, name: str) -> str | None:
        """Return a template name for what an argument is the transpose of, in its last two dims."""
        expr = self.part(name)
        inner = transposed(expr.node, len(expr.shape)) if expr is not None else None
        if expr is None or inner is None:
            return None
        self.parts[f"{name}_turned"] = Expr(inner, expr.value.mT)
        self.call.extra[f"{name}_turned"] = expr.value.mT
        return f"{name}_turned"

    def recorded(self, value: Any) -> Any:
        """Return an argument as it was when the operation read it, lists of tensors included."""
        if isinstance(value, Tensor):
            return self.at(value, self.op.index)
        if isinstance(value, tuple | list) and not isinstance(value, torch.Size):
            items = [self.recorded(v) for v in value]
            return items if isinstance(value, list) else tuple(items)
        return value

    def at(self, tensor: Tensor, index: int) -> Tensor:
        """Return what a tensor held at an event, detached."""
        if tensor.layout is not torch.strided:
            return tensor.detach()
        return self.graph.forward.trace.at(tensor, index).detach()
