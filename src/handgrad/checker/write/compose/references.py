"""What to write for a tensor of the forward pass where its backward pass stands.

Its name, if that still stands for it; the way to it through lists, dictionaries and objects
(`model.layers[0].weight`); else the expression that computes it again.
"""

import ast
import copy
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.record.instrument import HOOK
from handgrad.checker.record.trace import Op, key_of, tensors_in
from handgrad.checker.write.compose.constants import Spellings
from handgrad.checker.write.compose.expression import literal, printed
from handgrad.checker.write.compose.graph import Graph, Value
from handgrad.checker.write.rules.rule import canonical

_DEPTH, _WIDTH = 5, 4000
"""How far, and past how many objects, a tensor without a name is looked for."""
_RANDOM = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "dropout",
           "rand_like", "randn_like", "randint_like", "poisson", "uniform",
           "exponential"}  # fmt: skip
_OPERATORS: dict[str, ast.operator] = {
    "add": ast.Add(), "sub": ast.Sub(), "mul": ast.Mult(), "div": ast.Div(), "pow": ast.Pow(),
    "matmul": ast.MatMult(), "remainder": ast.Mod(),
}  # fmt: skip
_COMPARED: dict[str, ast.cmpop] = {"gt": ast.Gt(), "lt": ast.Lt(), "ge": ast.GtE(),
                                   "le": ast.LtE(), "eq": ast.Eq(), "ne": ast.NotEq()}  # fmt: skip
_SPECIAL = {"special_": "torch.special.", "linalg_": "torch.linalg."}


class Unreachable(Exception):
    """No expression stands for this tensor: it was random, or read from somewhere."""


class References:
    """The names of one scope, as they stood when the loss was there."""

    def __init__(self, graph: Graph, names: Mapping[str, Any]) -> None:
        self.graph = graph
        self.names = {k: v for k, v in names.items() if k != HOOK and not k.startswith("__")}
        self.spellings = Spellings(self.names)
        self.remember: Callable[[Value], ast.expr | None] | None = None
        """Gives a value that has lost its name one again, in a line before those that need it."""
        self.given: dict[int, ast.expr] = {}
        """Values that a line of ours has given a name, by the id of the Value."""
        self.paths: dict[str, Tensor] = {}
        """What was written for tensors of the user's, and what it stands for."""
        self._direct = {id(v): k for k, v in reversed(self.names.items()) if isinstance(v, Tensor)}
        self._deep: dict[int, str] | None = None

    def named(self, value: Value) -> ast.expr | None:
        """Return a name of the value, or the way to it, where there is one."""
        if id(value) in self.given:
            return self.given[id(value)]
        if value.until is not None or value.spoilt:
            return None
        for bind in value.binds:
            if self.names.get(bind.name) is value.tensor:
                return self._noted(bind.name, value.tensor)
        text = self._direct.get(id(value.tensor)) or self._found().get(id(value.tensor))
        return self._noted(text, value.tensor) if text is not None else None

    def _noted(self, text: str, tensor: Tensor) -> ast.expr:
        self.paths[text] = tensor
        return ast.parse(text, mode="eval").body

    def text(self, node: ast.expr) -> str:
        """Return the source of an expression, with modules by the names that they have here."""
        return printed(_Modules(self.names).visit(copy.deepcopy(node)))

    def expression(self, value: Value) -> ast.expr:
        """Return what to write for the value. Raises Unreachable."""
        own = self.named(value)
        if own is not None:
            return own
        again = self.remember(value) if self.remember is not None else None
        if again is None:
            return self.computed(value)
        self.given[id(value)] = again
        return again

    def computed(self, value: Value) -> ast.expr:
        """Return the operation that made the value, written again. Raises Unreachable."""
        op = self.graph.producer(value)
        if op is None or value.spoilt:
            return self._small(value)
        name, swapped, in_place = canonical(op.func)
        if name in _RANDOM or name.startswith("rand"):
            raise Unreachable(f"{_said(value, f'a random tensor of {name}()')}: it is random")
        if in_place and name == "setitem":
            raise Unreachable(f"{_said(value, 'a tensor')}: it is built by index")
        return self._call(op, value, name, swapped)

    def argument(self, value: Any, op: Op) -> ast.expr:
        """Return what to write for an operation's argument, tensor or not. Raises Unreachable."""
        if isinstance(value, Tensor):
            read = self.graph.reads.get(op.index, {}).get(id(value)) or Value(value, op.index)
            if not read.live and self.named(read) is None:
                spelled = self.spellings.of(value, self.graph.statement(op))
                if spelled is not None:
                    return spelled
            return self.expression(read)
        spelled = self.spellings.of(value, self.graph.statement(op))
        if spelled is not None:
            return spelled
        return self._written(value, op)

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
            text = str(value) if isinstance(value, torch.dtype) else repr(str(value))
            return ast.parse(text, mode="eval").body
        if value is Ellipsis or value is None or isinstance(value, int | float | str | range):
            if isinstance(value, float) and not -1e400 < value < 1e400:
                return ast.parse(f"float('{value}')", mode="eval").body
            return literal(value) if value is not Ellipsis else ast.Constant(...)
        raise Unreachable(f"a {type(value).__name__}")

    def _small(self, value: Value) -> ast.expr:
        tensor = value.tensor
        if value.live or value.spoilt or tensor.numel() > 4 or tensor.requires_grad:
            raise Unreachable(_said(value, "a tensor"))
        held = self.graph.forward.trace.at(tensor, value.at)
        return ast.parse(f"torch.tensor({held.tolist()!r})", mode="eval").body

    def _call(self, op: Op, value: Value, name: str, swapped: bool) -> ast.expr:
        args, kwargs = list(op.args), {k: v for k, v in op.kwargs.items() if not _is_default(k, v)}
        call = self._operator(op, name, args[::-1] if swapped else args, kwargs)
        if call is None:
            call = self._function(op, name, args, kwargs)
        results = list(tensors_in(op.result))
        if isinstance(op.result, Tensor) or not results:
            return call
        at = next((i for i, t in enumerate(results) if t is value.tensor), 0)
        fields = getattr(op.result, "_fields", None) or getattr(
            type(op.result), "__match_args__", ()
        )
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
        if len(args) == 2 and name in _OPERATORS:
            left, right = (self.argument(a, op) for a in args)
            return ast.BinOp(left, _OPERATORS[name], right)
        if len(args) == 2 and name in _COMPARED:
            left, right = (self.argument(a, op) for a in args)
            return ast.Compare(left, [_COMPARED[name]], [right])
        if len(args) == 2 and name == "getitem":
            return ast.Subscript(self.argument(args[0], op), self.argument(args[1], op), ast.Load())
        if name == "neg":
            return ast.UnaryOp(ast.USub(), self.argument(args[0], op))
        if getattr(op.func, "__name__", "") == "__get__":
            attribute = {"t": "T", "detach": "data"}.get(name, name)
            return ast.Attribute(self.argument(args[0], op), attribute, ast.Load())
        return None

    def _function(self, op: Op, name: str, args: list[Any], kwargs: Mapping[str, Any]) -> ast.expr:
        own = str(getattr(op.func, "__name__", name)).removesuffix("_").strip("_")
        keywords = [ast.keyword(k, self.argument(v, op)) for k, v in kwargs.items()]
        parts = [self.argument(a, op) for a in args]
        where = getattr(op.func, "__qualname__", "")
        if where.startswith(("TensorBase.", "Tensor.")) and parts:
            return ast.Call(ast.Attribute(parts[0], own, ast.Load()), parts[1:], keywords)
        module = str(getattr(op.func, "__module__", None))
        home = (
            "torch.nn.functional."
            if module in ("torch.nn.functional", "torch._C._nn")
            else "torch."
        )
        if home == "torch.nn.functional." and not hasattr(torch.nn.functional, own):
            own = name  # log_sigmoid, as torch calls F.logsigmoid
        for prefix, place in _SPECIAL.items():
            if own.startswith(prefix):
                own, home = own.removeprefix(prefix), place
        return ast.Call(ast.parse(home + own, mode="eval").body, parts, keywords)

    def _found(self) -> dict[int, str]:
        if self._deep is None:
            self._deep = {}
            for text, tensor in _walk(self.names):
                self._deep.setdefault(id(tensor), text)
        return self._deep


class _Modules(ast.NodeTransformer):
    """Writes F for torch.nn.functional where F is that, and so on."""

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


def _said(value: Value, otherwise: str) -> str:
    """Say which tensor it is that cannot be had."""
    bind = next(iter(value.binds), None)
    if bind is None:
        return f"{otherwise} without a name is needed, and cannot be computed again"
    return (
        f"{bind.name} as of line {bind.statement.place.line} is needed, its name stands for "
        f"something else by then, and it cannot be computed again"
    )


def _is_default(name: str, value: Any) -> bool:
    return (
        value is None
        or name in ("_stacklevel", "inplace")
        or (name, value) == ("approximate", "none")
    )


def _walk(names: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors inside the objects that names stand for, the nearest first."""
    todo: list[tuple[str, Any]] = list(names.items())
    seen: set[int] = set()
    for _ in range(_DEPTH):
        inner: list[tuple[str, Any]] = []
        for text, value in todo:
            if id(value) in seen or len(seen) > _WIDTH:
                continue
            seen.add(id(value))
            if isinstance(value, Tensor):
                yield text, value
            else:
                inner += _inside(text, value)
        todo = inner


def _inside(text: str, value: Any) -> list[tuple[str, Any]]:
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
        numbered = isinstance(
            value, torch.nn.ModuleList | torch.nn.Sequential | torch.nn.ParameterList
        )
        return [
            (f"{text}[{k}]" if numbered and k.isdigit() else f"{text}.{k}", v)
            for k, v in {**parts, **plain}.items()
            if v is not None
        ]
    held = getattr(value, "__dict__", None)
    return [(f"{text}.{k}", v) for k, v in held.items()] if isinstance(held, dict) else []


def is_leaf_of(graph: Graph, value: Value) -> bool:
    """Tell whether a value is one of the tensors that the pass differentiates by."""
    return key_of(value.tensor) in graph.forward.leaves and value.op is None
