"""The operations of the reference, each of which can be given another derivative.

`Paths` runs a reference and counts its operations. With an `Edit`, one of them passes on another
gradient, while all values stay the same. Functions that reduce inside (softmax, layer_norm,
attention) run in elementary steps.
"""

import ast
import linecache
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from handgrad.checker.functions.causes.steps import STEPS
from handgrad.checker.functions.inputs.values import is_floating

How = Literal["cut", "identity", "at_output", "at_input", "assign_last", "assign_first"]
"""What an operation passes on to one operand: nothing; its upstream gradient unchanged; its
derivative at the output, or (written in terms of the output) at the input; the last or the first
of the gradients that meet in one element, instead of their sum."""
OF_OUTPUT: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda y: 1 - y * y,
    "sigmoid": lambda y: y * (1 - y),
    "exp": lambda y: y,
    "sqrt": lambda y: 0.5 / y,
    "rsqrt": lambda y: -0.5 * y**3,
}
"""Derivatives written in terms of the output."""
DERIVATIVES = {
    "tanh": "1 - tanh(x)**2", "sigmoid": "s * (1 - s) with s = sigmoid(x)", "exp": "exp(x)",
    "log": "1 / x", "sqrt": "0.5 / sqrt(x)", "rsqrt": "-0.5 * rsqrt(x)**3", "sin": "cos(x)",
    "cos": "-sin(x)", "square": "2 * x", "relu": "x > 0", "abs": "sign(x)",
    "softplus": "sigmoid(x)", "log1p": "1 / (1 + x)", "expm1": "exp(x)", "erf": "2 / pi**0.5 * "
    "exp(-x**2)", "reciprocal": "-1 / x**2", "clamp": "1 within the bounds, 0 beyond",
}  # fmt: skip
MOVES = {"__getitem__", "embedding", "gather", "index_select", "take", "take_along_dim", "expand",
         "expand_as", "repeat", "repeat_interleave", "broadcast_to"}  # fmt: skip
"""Operations that read one element several times."""
_HERE = os.path.dirname(__file__)
_TORCH = os.path.dirname(torch.__file__)


@dataclass(frozen=True)
class Edit:
    """One operand (`position`, None: all) of one operation, and what it gets."""

    number: int
    position: int | None
    how: How


@dataclass(frozen=True)
class Operation:
    """One operation: its name, its text in the source, and its operands that carry a gradient."""

    number: int
    name: str
    text: str
    """`torch.tanh(s / cap)`, or the name."""
    operands: tuple[str, ...]
    """The text of each operand, by position; empty where unknown."""
    positions: tuple[int, ...]
    same_shape: tuple[int, ...]
    """The positions whose operand has the shape of the result."""


class Paths(TorchFunctionMode):
    """While active, the operations are counted, and one of them edited."""

    def __init__(self, edit: Edit | None = None) -> None:
        super().__init__()
        self.edit = edit
        self.operations: list[Operation] = []
        self._count = 0
        self._inside = ""

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name, kwargs = getattr(func, "__name__", ""), dict(kwargs or {})
        if name in STEPS and not self._inside:
            before = self._count, len(self.operations)
            self._inside = name
            try:
                with self:
                    return STEPS[name](*args, **kwargs)
            except (RuntimeError, TypeError, NotImplementedError):
                self._count = before[0]
                del self.operations[before[1] :]
            finally:
                self._inside = ""
        flat = _flat(args)
        if (name.endswith("_") and not name.endswith("__")) or not any(map(is_floating, flat)):
            return func(*args, **kwargs)
        number, self._count = self._count, self._count + 1
        if self.edit is not None and self.edit.number == number:
            return _edited(func, args, kwargs, self.edit)
        result = func(*args, **kwargs)
        if self.edit is None and isinstance(result, Tensor) and result.requires_grad:
            self._record(number, name, flat, result)
        return result

    def _record(self, number: int, name: str, flat: list[Any], result: Tensor) -> None:
        carrying = [i for i, v in enumerate(flat) if isinstance(v, Tensor) and v.requires_grad]
        text, operands = (f"{name} in {self._inside}", ()) if self._inside else _source(name)
        same = tuple(i for i in carrying if flat[i].shape == result.shape)
        self.operations.append(Operation(number, name, text, operands, tuple(carrying), same))


def _flat(args: Sequence[Any]) -> list[Any]:
    """Return the positional arguments, with those in a list (torch.cat) one by one."""
    return [v for a in args for v in (a if isinstance(a, list | tuple) else [a])]


def _with(args: Sequence[Any], position: int, value: Tensor) -> list[Any]:
    count = iter(range(10**6))
    return [
        [value if next(count) == position else v for v in a]
        if isinstance(a, list | tuple)
        else (value if next(count) == position else a)
        for a in args
    ]


def _edited(func: Any, args: Sequence[Any], kwargs: dict[str, Any], edit: Edit) -> Any:
    """Run an operation with another derivative."""
    result = func(*args, **kwargs)
    if edit.position is None:
        return result.detach()
    operand = _flat(args)[edit.position]
    rest = func(*_with(args, edit.position, operand.detach()), **kwargs)
    name = getattr(func, "__name__", "")
    match edit.how:
        case "cut":
            return rest
        case "identity":
            return rest + operand - operand.detach()
        case "at_output":
            moved = func(*_with(args, edit.position, rest.detach() + operand - operand.detach()))
            return rest + moved - moved.detach()
        case "at_input":
            return rest + OF_OUTPUT[name](operand).detach() * (operand - operand.detach())
        case _:
            indices = torch.arange(operand.numel(), dtype=torch.float64).view(operand.shape)
            read = func(*_with(args, edit.position, indices), **kwargs)
            return Assigned.apply(operand, rest, read.long(), edit.how == "assign_first")  # type: ignore[no-untyped-call]


class Assigned(torch.autograd.Function):
    """Reads elements of a tensor; of the gradients that meet in one element only one is kept."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, out: Tensor, read: Tensor, is_first: bool) -> Tensor:
        ctx.shape, ctx.read, ctx.is_first = value.shape, read, is_first
        return out.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        dout, read = upstream[0].flatten(), ctx.read.flatten()
        if ctx.is_first:
            dout, read = dout.flip(0), read.flip(0)
        gradient = dout.new_zeros(ctx.shape.numel())
        for i, value in zip(read.tolist(), dout, strict=True):
            gradient[i] = value
        return gradient.view(ctx.shape), None, None, None


def _source(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the text of the running expression of the reference, and that of its operands."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith((_HERE, _TORCH)):
        frame = frame.f_back
    if frame is None:
        return name, ()
    positions = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    line, last, start, end = positions
    if line is None or start is None or end is None or line != last:
        return name, ()
    source = linecache.getline(frame.f_code.co_filename, line)
    text = source.encode()[start:end].decode(errors="replace")
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        return name, ()
    return text, tuple(map(ast.unparse, _operands(tree)))


def _operands(tree: ast.expr) -> list[ast.expr]:
    """Return the operands of an operation in the order of the torch function's arguments."""
    match tree:
        case ast.BinOp():
            return [tree.left, tree.right]
        case ast.UnaryOp():
            return [tree.operand]
        case ast.Subscript():
            return [tree.value]
        case ast.Attribute():
            return [tree.value]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch" | "F"))):
            return _spread(tree.args)
        case ast.Call(func=ast.Attribute(value=owner)):
            return [owner, *_spread(tree.args)]
        case ast.Call():
            return _spread(tree.args)
    return []


def _spread(args: Sequence[ast.expr]) -> list[ast.expr]:
    return [e for a in args for e in (a.elts if isinstance(a, ast.List | ast.Tuple) else [a])]
