"""One entry of RULES: templates for the backward lines of a torch operation.

A template is a Python expression over the operation's parameters, `out` (its result) and `d` (the
gradient of that result): "(1 - out**2) * d". Templates leave out the sums over broadcast
dimensions, which are added when the rule is applied.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor


class NoRule(Exception):
    """There is no rule for an operation, or for a use of it. The message names it."""


@dataclass(frozen=True)
class AtIndex:
    """A gradient of some elements: `dinput[index] = d`, and 0 elsewhere.

    `index` is a template. `whole` is the whole gradient as one expression. `unique` is False if the
    index may repeat elements, whose contributions must be added up.
    """

    index: str
    whole: str
    unique: bool = True


@dataclass(frozen=True)
class ExceptIndex:
    """The upstream gradient with 0 at `index`, a template."""

    index: str


Form = str | AtIndex | ExceptIndex
Forms = Mapping[str, Form]
"""Templates by parameter; "" for a parameter without a gradient, of which only the shape is used.
A key that begins with "$" is an intermediate step: later templates may use it by the name after
the "$"."""
Decide = Callable[["OpCall"], Forms]


@dataclass(frozen=True)
class Rule:
    """The rule of one operation.

    `signature` is written as in a def. `forms` are templates, or a function that chooses them by
    shapes and values. `lazy`: the templates also hold for a `d` that is a number or that broadcasts
    to the shape of `out`.
    """

    signature: str
    forms: Forms | Decide
    lazy: bool = False

    @cached_property
    def parameters(self) -> list[tuple[str, Any, bool]]:
        """Name, default (or REQUIRED), and whether the parameter takes all remaining arguments."""
        definition = ast.parse(f"def f({self.signature}): 0").body[0]
        assert isinstance(definition, ast.FunctionDef)
        arguments = definition.args
        missing = len(arguments.args) - len(arguments.defaults)
        defaults = [REQUIRED] * missing + [ast.literal_eval(d) for d in arguments.defaults]
        parameters = [(a.arg, d, False) for a, d in zip(arguments.args, defaults, strict=True)]
        if arguments.vararg is not None:
            parameters.append((arguments.vararg.arg, (), True))
        for keyword, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            value = ast.literal_eval(default) if default else REQUIRED
            parameters.append((keyword.arg, value, False))
        return parameters


REQUIRED = object()


@dataclass
class OpCall:
    """One recorded call of an operation, as rules see it: values by parameter, `out` and `d`.

    The elements of a list of tensors are parameters too: tensors0, tensors1.
    """

    name: str
    values: dict[str, Any]
    outs: tuple[Tensor, ...]
    d: Any
    """A tensor with the shape and layout of the gradient, or a number. Its elements are zeros."""
    spelling: str = ""
    """The name of the function that was called: several may be one operation."""
    raw_is_number: bool = False
    """Whether `raw`, the gradient before it is expanded to the result's shape, is a number."""
    plain: Callable[[str], bool] = lambda name: True
    """Whether the argument of a parameter is written as a name."""
    spelled: Callable[[Any], str | None] = lambda value: None
    """How the user's line spells a number, if it does."""
    alike: Callable[[str], str | None] = lambda name: None
    """A named tensor of the same shape as an argument without a name: h for h**2."""
    sized: Callable[[tuple[int, ...]], str | None] = lambda shape: None
    """A shape as the user's line names its sizes, with at most one -1."""
    turned: Callable[[str], str | None] = lambda name: None
    """What an argument is the transpose of, in its last two dimensions."""
    is_moved: Callable[[str], bool] = lambda name: False
    """Whether an argument is written as a name with its dimensions in another order."""
    is_product: Callable[[], bool] = lambda: False
    """Whether `d` is written as a product of matrices."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further values that templates may use by name."""

    @property
    def out(self) -> Tensor:
        return self.outs[0]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def get(self, name: str) -> Any:
        return self.values.get(name)

    def shape(self, name: str = "input") -> tuple[int, ...]:
        """Return the shape of an argument; () for a number."""
        value = self.values[name]
        return tuple(value.shape) if isinstance(value, Tensor) else ()

    def dims(self) -> tuple[int, ...]:
        """Return the dimensions that the argument `dim` selects, all if it is None or empty."""
        dims, rank = self.get("dim"), len(self.shape())
        if dims is None or (isinstance(dims, Sequence) and not len(dims)):
            return tuple(range(rank))
        several = dims if isinstance(dims, Sequence) else (dims,)
        return tuple(sorted(d % max(rank, 1) for d in several)) if rank else ()

    def number(self, value: Any, otherwise: str | None = None) -> str:
        """Return text for a number: as the user spells it, or `otherwise`, or its digits."""
        return self.spelled(value) or otherwise or repr(value)

    def size(self, name: str = "input") -> str:
        """Return text for the shape of an argument."""
        return f"{name}.shape" if self.plain(name) else repr(self.shape(name))

    def size_at(self, dim: int, name: str = "input") -> str:
        """Return text for one size of an argument: `input.shape[1]`, or its digits."""
        return f"{name}.shape[{dim}]" if self.plain(name) else repr(self.shape(name)[dim])

    def require(self, **expected: Any) -> None:
        """Raise NoRule if an argument has another value than the one that the rule covers."""
        for name, value in expected.items():
            if self.values.get(name, value) != value:
                raise NoRule(f"{self.name} with {name}={self.values[name]!r}")


def each(signature: str, forms: Forms | Decide | None = None, **templates: Form) -> Rule:
    """Return a lazy rule: its templates only broadcast."""
    return Rule(signature, templates if forms is None else forms, lazy=True)


def whole(signature: str, forms: Forms | Decide | None = None, **templates: Form) -> Rule:
    """Return a rule whose templates need `d` in the full shape of the result."""
    return Rule(signature, templates if forms is None else forms)


def bound(rule: Rule, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments by the rule's parameters. Raises NoRule for unknown arguments."""
    values: dict[str, Any] = {}
    rest, keywords = list(args), {_SYNONYMS.get(k, k): v for k, v in kwargs.items()}
    for parameter, default, star in rule.parameters:
        if star:
            items = rest[0] if len(rest) == 1 and isinstance(rest[0], tuple | list) else rest
            values[parameter] = keywords.pop(parameter, tuple(items) if rest else default)
            rest = []
        elif rest:
            values[parameter] = rest.pop(0)
        elif parameter in keywords:
            values[parameter] = keywords.pop(parameter)
        elif default is REQUIRED:
            raise NoRule(f"{name} without {parameter}")
        else:
            values[parameter] = default
    unknown = [k for k, v in keywords.items() if v not in (None, False) and k not in _IGNORED]
    if rest or unknown:
        raise NoRule(f"{name} with {', '.join(unknown) or f'{len(rest)} more arguments'}")
    for parameter, value in list(values.items()):
        if isinstance(value, tuple | list) and any(isinstance(v, Tensor) for v in value):
            values |= {f"{parameter}{i}": v for i, v in enumerate(value)}
    return values


_SYNONYMS = {"self": "input", "tensor": "input", "x": "input", "axis": "dim", "keepdims": "keepdim",
             "dims": "dim", "indices": "index"}  # fmt: skip
_IGNORED = {"_stacklevel", "out", "inplace", "non_blocking", "copy", "memory_format", "stable"}


def canonical(func: Any) -> tuple[str, bool, bool]:
    """Return the canonical name of an operation, and two facts about its arguments.

    The first: whether the first two are swapped (`__radd__`). The second: whether the operation
    writes to the first.
    """
    name = _ATTRIBUTES.get(func) if getattr(func, "__name__", "") == "__get__" else None
    if name is not None:
        return name, False, False
    name = str(getattr(func, "__name__", "?"))
    is_operator = name.startswith("__") and name.endswith("__")
    in_place = name.endswith("_") and not is_operator
    name = name.strip("_") if is_operator else name.rstrip("_")
    swapped = name.startswith("r") and name[1:] in _ARITHMETIC  # __radd__, torch.rsub
    if swapped or (name.startswith("i") and name[1:] in _ARITHMETIC):  # __iadd__
        name, in_place = name[1:], not swapped
    return ALIASES.get(name, name), swapped, in_place or name == "setitem"


_ATTRIBUTES = {
    getattr(Tensor, name).__get__: alias
    for name, alias in [("T", "t"), ("mT", "mT"), ("H", "t"), ("mH", "mT"), ("data", "detach"),
                        ("real", "real"), ("grad", "grad")]
}  # fmt: skip
_ARITHMETIC = {"add", "sub", "mul", "div", "truediv", "pow", "matmul"}
ALIASES = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "adjoint": "mT", "clip": "clamp",
    "concat": "cat", "concatenate": "cat", "divide": "div", "truediv": "div", "true_divide": "div",
    "special_expit": "sigmoid", "special_erf": "erf", "special_erfc": "erfc",
    "special_expm1": "expm1", "special_log1p": "log1p", "special_logit": "logit",
    "special_logsumexp": "logsumexp", "special_softmax": "softmax", "special_xlogy": "xlogy",
    "special_log_softmax": "log_softmax", "special_exp2": "exp2", "special_digamma": "digamma",
    "ger": "outer", "linalg_norm": "norm", "linalg_vector_norm": "norm", "linalg_matmul": "matmul",
    "moveaxis": "movedim", "multiply": "mul", "negative": "neg", "numpy_T": "t", "permute_dims":
    "permute", "subtract": "sub", "swapaxes": "transpose", "swapdims": "transpose",
    "view_as": "reshape_as", "view": "reshape", "broadcast_to": "expand", "tile": "repeat",
    "fix": "trunc", "sgn": "sign", "_softmax": "softmax", "log_sigmoid": "logsigmoid",
    "_threshold": "threshold", "pos": "clone",
    "positive": "clone", "float": "to", "double": "to", "half": "to",
    "bfloat16": "to", "type": "to", "cpu": "to", "cuda": "to", "type_as": "to",
    "contiguous": "clone", "alias": "clone", "view_copy": "reshape", "linalg_vecdot": "vecdot",
}  # fmt: skip
