"""How the backward pass refers to a tensor of the forward pass.

By its name, if the name still holds it; by its path through lists, dictionaries and objects
(`model.layers[0].weight`); or by the expression that recomputes it.
"""

import ast
import copy
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from types import FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.record.carriers import tensor_of
from handgrad.checker.record.targets import HOOK
from handgrad.checker.record.trace import Op, tensors_in
from handgrad.checker.write.compose.constants import Spellings
from handgrad.checker.write.compose.expression import literal, parsed, printed
from handgrad.checker.write.compose.graph import Graph, Value
from handgrad.checker.write.rules.rule import canonical

_DEPTH, _WIDTH = 5, 4000
"""Limits of the search for the path to a tensor: nesting depth, number of objects."""
_RANDOM = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "dropout",
           "rand_like", "randn_like", "randint_like", "poisson", "uniform",
           "exponential"}  # fmt: skip
_OPERATORS: dict[str, ast.operator] = {
    "add": ast.Add(), "sub": ast.Sub(), "mul": ast.Mult(), "div": ast.Div(), "pow": ast.Pow(),
    "matmul": ast.MatMult(), "remainder": ast.Mod(),
}  # fmt: skip
_COMPARED: dict[str, ast.cmpop] = {"gt": ast.Gt(), "lt": ast.Lt(), "ge": ast.GtE(),
                                   "le": ast.LtE(), "eq": ast.Eq(), "ne": ast.NotEq()}  # fmt: skip
_NUMBERED = torch.nn.ModuleList | torch.nn.Sequential | torch.nn.ParameterList
_SPECIAL = {"special_": "torch.special.", "linalg_": "torch.linalg."}


class Unreachable(Exception):
    """No expression gives this tensor, for example because it is random."""


class References:
    """Expressions for values in one scope, with its names as they were after the loss."""

    def __init__(
        self, graph: Graph, names: Mapping[str, Any], local: Mapping[int, str] | None = None
    ) -> None:
        self.graph = graph
        self.local = local or {}
        """How a function refers to the tensors that its own names lead to, by their ids."""
        own = ((k, v) for k, v in names.items() if k != HOOK and not k.startswith("__"))
        self.names = {name: tensor_of(value) for name, value in own}
        self.spellings = Spellings(self.names)
        self.remember: Callable[[Value, ast.expr], ast.expr | None] | None = None
        """Recomputes a value in an earlier line, if it should have a name; returns that name."""
        self._recomputed: dict[tuple[int, int], ast.expr] = {}
        """New names of recomputed values, by the id of the tensor and the operation's index."""
        self.paths: dict[str, Tensor] = {}
        """The names and paths that were returned so far, and the tensors that they refer to."""
        self._direct = {id(v): k for k, v in reversed(self.names.items()) if isinstance(v, Tensor)}

    def named(self, value: Value) -> ast.expr | None:
        """Return the name of a value or the path to it, or None."""
        op = self.graph.producer(value)
        if op is not None and (id(value.tensor), op.index) in self._recomputed:
            return self._recomputed[id(value.tensor), op.index]
        if value.until is not None or value.aliased_write:
            return None
        if id(value.tensor) in self.local:
            return self._noted(self.local[id(value.tensor)], value.tensor)
        for bind in value.binds:
            if self.names.get(bind.name) is value.tensor:
                return self._noted(bind.name, value.tensor)
        text = self._direct.get(id(value.tensor)) or self._nested.get(id(value.tensor))
        return self._noted(text, value.tensor) if text is not None else None

    def _noted(self, text: str, tensor: Tensor) -> ast.expr:
        self.paths[text] = tensor
        return parsed(text)

    def text(self, node: ast.expr) -> str:
        """Return the source of an expression, with the scope's names of modules, such as F."""
        return printed(_Modules(self.names).visit(copy.deepcopy(node)))

    def expression(self, value: Value) -> ast.expr:
        """Return the expression for a value. Raises Unreachable."""
        name = self.named(value)
        if name is not None:
            return name
        computed, op = self.computed(value), self.graph.producer(value)
        if self.remember is None or op is None:
            return computed
        new_name = self.remember(value, computed)
        if new_name is None:
            return computed
        self._recomputed[id(value.tensor), op.index] = new_name
        return new_name

    def computed(self, value: Value) -> ast.expr:
        """Return the operation that made a value, as an expression. Raises Unreachable."""
        op = self.graph.producer(value)
        if op is None or value.aliased_write:
            return self._small(value)
        name, swapped, in_place = canonical(op.func)
        if name in _RANDOM or name.startswith("rand"):
            raise Unreachable(f"{_lost(value, f'the result of {name}()')}: it is random")
        if in_place and name == "setitem":
            raise Unreachable(f"{_lost(value, 'a tensor')}: it is built by index")
        return self._call(op, value, name, swapped)

    def argument(self, value: Any, op: Op) -> ast.expr:
        """Return the expression for an argument, tensor or not. Raises Unreachable."""
        read = None
        if isinstance(value, Tensor):
            read = self.graph.reads.get(op.index, {}).get(id(value)) or Value(value, op.index)
            if read.live or self.named(read) is not None:
                return self.expression(read)
        spelled = self.spellings.of(value, self.graph.statement(op))
        if spelled is not None:
            return spelled
        return self._written(value, op) if read is None else self.expression(read)

    def _written(self, value: Any, op: Op) -> ast.expr:
        if isinstance(value, torch.Size):
            value = tuple(value)
        if isinstance(value, tuple | list):
            parts = [self.argument(part, op) for part in value]
            kind = ast.Tuple if isinstance(value, tuple) else ast.List
            return kind(parts, ast.Load())
        if isinstance(value, slice):
            ends = [None if e is None else self.argument(e, op)
                    for e in (value.start, value.stop, value.step)]  # fmt: skip
            return ast.Slice(*ends)
        if isinstance(value, torch.dtype | torch.device):
            return parsed(str(value) if isinstance(value, torch.dtype) else repr(str(value)))
        if value is Ellipsis or value is None or isinstance(value, int | float | str | range):
            if isinstance(value, float) and not math.isfinite(value):
                return parsed(f"float('{value}')")
            return literal(value) if value is not Ellipsis else ast.Constant(...)
        raise Unreachable(f"a {type(value).__name__}")

    def _small(self, value: Value) -> ast.expr:
        tensor = value.tensor
        if value.live or value.aliased_write or tensor.numel() > 4 or tensor.requires_grad:
            raise Unreachable(_lost(value, "a tensor"))
        elements = self.graph.forward.trace.at(tensor, value.at).tolist()
        return parsed(f"torch.tensor({elements!r})")

    def _call(self, op: Op, value: Value, name: str, swapped: bool) -> ast.expr:
        args, kwargs = list(op.args), {k: v for k, v in op.kwargs.items() if not _is_default(k, v)}
        call = self._operator(op, name, args[::-1] if swapped else args, kwargs)
        if call is None:
            call = self._function(op, name, args, kwargs)
        results = list(tensors_in(op.result))
        if isinstance(op.result, Tensor) or not results:
            return call
        at = next((i for i, t in enumerate(results) if t is value.tensor), 0)
        fields = getattr(op.result, "_fields", None) or getattr(op.result, "__match_args__", ())
        if hasattr(op.result, "values") and hasattr(op.result, "indices"):
            fields = ("values", "indices")
        if fields:
            return ast.Attribute(call, fields[at], ast.Load())
        return ast.Subscript(call, ast.Constant(at), ast.Load())

    def _operator(
        self, op: Op, name: str, args: list[Any], kwargs: Mapping[str, Any]
    ) -> ast.expr | None:
        if kwargs:
            return None
        if len(args) == 2 and name in {*_OPERATORS, *_COMPARED, "getitem"}:
            left, right = (self.argument(a, op) for a in args)
            if name in _OPERATORS:
                return ast.BinOp(left, _OPERATORS[name], right)
            if name in _COMPARED:
                return ast.Compare(left, [_COMPARED[name]], [right])
            return ast.Subscript(left, right, ast.Load())
        if name == "neg":
            return ast.UnaryOp(ast.USub(), self.argument(args[0], op))
        if getattr(op.func, "__name__", "") == "__get__":
            attribute = {"t": "T", "detach": "data"}.get(name, name)
            return ast.Attribute(self.argument(args[0], op), attribute, ast.Load())
        return None

    def _function(self, op: Op, name: str, args: list[Any], kwargs: Mapping[str, Any]) -> ast.expr:
        function = str(getattr(op.func, "__name__", name)).removesuffix("_").strip("_")
        keywords = [ast.keyword(k, self.argument(v, op)) for k, v in kwargs.items()]
        parts = [self.argument(a, op) for a in args]
        where = getattr(op.func, "__qualname__", "")
        if where.startswith(("TensorBase.", "Tensor.")) and parts:
            return ast.Call(ast.Attribute(parts[0], function, ast.Load()), parts[1:], keywords)
        home = "torch."
        if getattr(op.func, "__module__", None) in ("torch.nn.functional", "torch._C._nn"):
            home = "torch.nn.functional."
            if not hasattr(torch.nn.functional, function):
                function = name  # F.logsigmoid is torch._C._nn.log_sigmoid
        for prefix, place in _SPECIAL.items():
            if function.startswith(prefix):
                function, home = function.removeprefix(prefix), place
        return ast.Call(parsed(home + function), parts, keywords)

    @cached_property
    def _nested(self) -> dict[int, str]:
        """The paths to tensors inside objects, by the id of the tensor."""
        return spelled(self.names)


class _Modules(ast.NodeTransformer):
    """Replaces module paths by the user's names: F for torch.nn.functional."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        modules = [(k, v) for k, v in names.items() if isinstance(v, ModuleType)]
        self.short = {v.__name__: k for k, v in modules if v.__name__.split(".")[0] == "torch"}

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        whole = ast.unparse(node)
        if whole.startswith("torch.") and whole in self.short:
            return ast.Name(self.short[whole], ast.Load())
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(self.short.get(node.id, node.id), node.ctx) if node.id == "torch" else node


def _lost(value: Value, otherwise: str) -> str:
    """Return a message that names the tensor that no expression gives."""
    bind = next(iter(value.binds), None)
    if bind is None:
        return f"{otherwise} is needed but has no name, and cannot be recomputed"
    return (
        f"{bind.name} of line {bind.statement.place.line} is needed, but its name now holds "
        f"another tensor, and it cannot be recomputed"
    )


def _is_default(name: str, value: Any) -> bool:
    unwritten = value is None or name in ("_stacklevel", "inplace")
    return unwritten or (name, value) == ("approximate", "none")


def spelled(names: Mapping[str, Any], held: Mapping[int, Any] | None = None) -> dict[int, str]:
    """Return the shortest name or path of each tensor that the names lead to, by its id.

    `held` are the contents of collections and objects at that moment, by their ids.
    """
    paths: dict[int, str] = {}
    for text, tensor in _walk(names, held or {}):
        paths.setdefault(id(tensor), text)
    return paths


def _walk(names: Mapping[str, Any], held: Mapping[int, Any]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors inside the objects of a scope with their paths, the nearest first."""
    todo: list[tuple[str, Any]] = list(names.items())
    visited: set[int] = set()
    for _ in range(_DEPTH):
        inner: list[tuple[str, Any]] = []
        for text, value in todo:
            if id(value) in visited or len(visited) > _WIDTH:
                continue
            visited.add(id(value))
            value = tensor_of(value)
            if isinstance(value, Tensor):
                yield text, value
            else:
                inner += _inside(text, value, held.get(id(value)))
        todo = inner


def _inside(text: str, value: Any, held: Any = None) -> list[tuple[str, Any]]:
    if isinstance(value, type | ModuleType | FunctionType | MethodType | str | bytes | int | float):
        return []
    if isinstance(value, dict):
        return [(f"{text}[{k!r}]", v) for k, v in value.items() if isinstance(k, str | int)]
    if isinstance(value, list | tuple):
        fields = getattr(value, "_fields", ())
        if fields:
            return [(f"{text}.{k}", v) for k, v in zip(fields, value, strict=True)]
        return [(f"{text}[{i}]", v) for i, v in enumerate(value)] if len(value) <= _WIDTH else []
    if isinstance(value, torch.nn.Module):
        parts = {**value._parameters, **value._buffers, **value._modules}
        plain = {k: v for k, v in vars(value).items() if not k.startswith("_") and k != "training"}
        numbered = isinstance(value, _NUMBERED)
        return [
            (f"{text}[{k}]" if numbered and k.isdigit() else f"{text}.{k}", v)
            for k, v in {**parts, **plain}.items()
            if v is not None
        ]
    attributes = held if isinstance(held, dict) else getattr(value, "__dict__", None)
    if not isinstance(attributes, dict):
        return []
    return [(f"{text}.{k}", v) for k, v in attributes.items()]
