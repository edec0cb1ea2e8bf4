"""The operations of the reference, each of which can be given another derivative.

`Paths` runs a reference and counts its operations. With an `Edit`, one of them passes on another
gradient, while all values stay the same. Functions that reduce inside (softmax, layer_norm,
attention) run in elementary steps.
"""

import ast
import linecache
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from handgrad.checker.functions.inputs.values import is_floating
from handgrad.checker.functions.runs.calls import FunctionCall
from handgrad.checker.functions.runs.steps import STEPS
from handgrad.checker.write import decompose

How = Literal["cut", "identity", "at_output", "at_input", "part", "assign_last", "assign_first"]
"""What an operation passes on to one operand: nothing; its upstream gradient unchanged; its
derivative at the output, or (written in terms of the output) at the input; part of its derivative;
the last or the first of the gradients that meet in one element, instead of their sum."""
OF_OUTPUT: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda y: 1 - y * y,
    "sigmoid": lambda y: y * (1 - y),
    "exp": lambda y: y,
    "sqrt": lambda y: 0.5 / y,
    "rsqrt": lambda y: -0.5 * y**3,
}
"""Derivatives written in terms of the output."""
Part = Callable[[Tensor, Tensor], Tensor]
PARTS: dict[str, dict[str, Part]] = {
    "sigmoid": {
        "the factor 1 - s is missing": lambda x, y: y,
        "the factor s is missing": lambda x, y: 1 - y,
        "it has s * (1 + s) for s * (1 - s)": lambda x, y: y * (1 + y),
    },
    "tanh": {
        "t is not squared": lambda x, y: 1 - y,
        "it has 1 + t**2 for 1 - t**2": lambda x, y: 1 + y * y,
        "it has t**2 for 1 - t**2": lambda x, y: y * y,
    },
    "softplus": {"it is that of tanh": lambda x, y: x.tanh()},
    "relu": {"the output takes the place of the mask": lambda x, y: y},
    "sqrt": {"the root is not in the denominator": lambda x, y: 0.5 * y},
    "rsqrt": {"the power is 1 instead of 3": lambda x, y: -0.5 * y},
    "log": {"the input is not in the denominator": lambda x, y: x},
    "reciprocal": {"the output is not squared": lambda x, y: -y},
    "gelu": {"only the distribution, without the density": lambda x, y: y / x},
    "erf": {"the argument is not squared": lambda x, y: 2 / math.pi**0.5 * (-x).exp()},
    "sin": {"it is the function itself": lambda x, y: y},
    "cos": {"it is the function itself": lambda x, y: y},
    "elu": {"1 is missing below 0": lambda x, y: torch.where(x > 0, torch.ones_like(y), y)},
}
"""Frequent slips in a derivative, of the input x and the output y."""
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
_HERE = os.path.dirname(os.path.dirname(__file__))
_WRITE = os.path.dirname(decompose.__file__)
_TORCH = os.path.dirname(torch.__file__)


@dataclass(frozen=True)
class Edit:
    """One operand (`position`, None: all) of one operation, and what it gets.

    `numbers` are those of its calls: an operation in a loop is edited in all of them.
    """

    numbers: frozenset[int]
    position: int | None
    how: How
    part: str = ""


@dataclass(frozen=True)
class Operation:
    """One operation: its name, its text in the source, and its operands that carry a gradient."""

    numbers: frozenset[int]
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
        self.found: dict[object, Operation] = {}
        self._count = 0
        self._inside = ""

    @property
    def operations(self) -> list[Operation]:
        """The operations that carry a gradient, each once."""
        return list(self.found.values())

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name, kwargs = getattr(func, "__name__", ""), dict(kwargs or {})
        if name in STEPS and not self._inside:
            before = self._count, dict(self.found)
            self._inside = name
            try:
                with self:
                    return STEPS[name](*args, **kwargs)
            except (RuntimeError, TypeError, NotImplementedError):
                self._count, self.found = before
            finally:
                self._inside = ""
        flat = _flat(args)
        if (name.endswith("_") and not name.endswith("__")) or not any(map(is_floating, flat)):
            return func(*args, **kwargs)
        number, self._count = self._count, self._count + 1
        if self.edit is not None and number in self.edit.numbers:
            return _edited(func, args, kwargs, self.edit)
        result = func(*args, **kwargs)
        if self.edit is None and isinstance(result, Tensor) and result.requires_grad:
            self._record(number, name, flat, result)
        return result

    def _record(self, number: int, name: str, flat: list[Any], result: Tensor) -> None:
        carrying = [i for i, v in enumerate(flat) if isinstance(v, Tensor) and v.requires_grad]
        place, text, operands = source_of(name, self._inside)
        same = tuple(i for i in carrying if flat[i].shape == result.shape)
        key = (place, name, tuple(carrying), same)
        known = self.found.get(key)
        numbers = frozenset({number}) | (known.numbers if known else frozenset())
        self.found[key] = Operation(numbers, name, text, operands, tuple(carrying), same)


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
        case "part":
            local = PARTS[name][edit.part](operand, result).detach()
            return rest + local * (operand - operand.detach())
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


def source_of(name: str, inside: str) -> tuple[object, str, tuple[str, ...]]:
    """Return where the reference calls an operation, its text, and that of its operands."""
    frame: FrameType | None = sys._getframe(1)
    place: tuple[object, ...] = ()
    while frame is not None and frame.f_code.co_filename.startswith((_HERE, _WRITE, _TORCH)):
        if frame.f_code is FunctionCall.__init__.__code__:
            frame = None  # the reference is the operation itself, and has no line of its own
            break
        if frame.f_code.co_filename != __file__:
            place = (*place, frame.f_code, frame.f_lasti)
        frame = frame.f_back
    if frame is not None:
        place = (*place, frame.f_code, frame.f_lasti)
    if inside:
        return place, f"{name} in {inside}", ()
    if frame is None:
        return place, name, ()
    line, last, start, end = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    if line is None or start is None or end is None or line != last:
        return place, name, ()
    source = linecache.getline(frame.f_code.co_filename, line)
    text = source.encode()[start:end].decode(errors="replace")
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        return place, name, ()
    return place, text, tuple(map(ast.unparse, _operands(tree)))


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
