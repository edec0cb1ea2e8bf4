"""From flat inputs to the arguments of a call: nested values, keywords, the parameters of modules.

A check knows a flat row of inputs. {"x": "B C", "state": ["B H", "B H"]} is x, state.0, state.1;
what `kwargs` names is passed by keyword; the parameters of an nn.Module follow as inputs of their
own, so that their gradients are compared too.
"""

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from handgrad.checker.functions.inputs.specs import Inputs, specified
from handgrad.checker.functions.inputs.values import as_text, drawn_like
from handgrad.errors import CheckError

Flat = dict[str, Any]


@dataclass(frozen=True)
class Arguments:
    """How the flat inputs of a check are passed on."""

    inputs: Any
    """The flat inputs, as `specified` takes them."""
    tree: Any = None
    """Positional arguments and keywords, with positions in the flat row; None: they are flat."""
    parameters: dict[str, Tensor] = field(default_factory=dict)
    """Parameters of the modules, which follow the inputs."""

    def specified(
        self,
        names: Sequence[str],
        dims: Any,
        fixed: Any,
        wrt: Sequence[str] | None,
        gradients: bool = True,
    ) -> Inputs:
        """Return the inputs of a check, parameters included."""
        held = {n for p in self.parameters.values() for n in p.shape}
        own = None if wrt is None else [w for w in wrt if w not in self.parameters]
        needed = gradients and not self.parameters
        given = specified(self.inputs, names, dims, fixed, own, needed, held)
        return _with_parameters(given, self.parameters, wrt) if self.parameters else given

    def caller(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of the flat inputs that calls `function`."""
        if self.tree is None and not self.parameters:
            return function
        names = list(self.parameters)
        own = _names_of(function, self.parameters)

        def called(*flat: Any) -> Any:
            count = len(flat) - len(names)
            arguments, options = filled(self.tree or [list(range(count)), {}], flat)
            values = flat[count:]
            if isinstance(function, nn.Module):
                state = {**buffers_of(function, flat), **dict(zip(own, values, strict=True))}
                return functional_call(function, state, tuple(arguments), options)
            if _accepts(function, names):
                return function(*arguments, **options, **dict(zip(names, values, strict=True)))
            return function(*arguments, *values, **options)

        called.__name__ = name_of(function)
        called.__wrapped__ = function  # type: ignore[attr-defined]
        return called


def name_of(function: Any) -> str:
    """Return the name of a function in the report; of an `apply` that of its class."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type):
        return owner.__name__
    name = getattr(function, "__name__", None) or getattr(function, "_qualname", None)
    return str(name or type(function).__name__)


def arranged(
    function: Any,
    reference: Any,
    inputs: Any,
    kwargs: Mapping[str, Any],
    names: Sequence[str] = (),
) -> Arguments:
    """Return how the inputs of a check are passed to both functions; `names` are those of inputs.

    Raises CheckError if two modules have different parameters.
    """
    parameters = _parameters(function, reference)
    if callable(inputs) and not isinstance(inputs, Tensor):
        return _made(inputs, kwargs, parameters, names)
    if not kwargs and not _nested(inputs):
        return Arguments(inputs, None, _apart(parameters, inputs))
    if isinstance(inputs, str | Tensor) or not isinstance(inputs, Sequence | Mapping):
        inputs = (inputs,)
    flat, tree = flattened(inputs, kwargs, names)
    return Arguments(flat, tree, _apart(parameters, flat))


def _made(
    make: Callable[..., Any],
    kwargs: Mapping[str, Any],
    parameters: dict[str, Tensor],
    names: Sequence[str],
) -> Arguments:
    letters = [k for k, p in inspect.signature(make).parameters.items() if p.default is p.empty]
    with torch.random.fork_rng(devices=[]):
        first = make(**dict.fromkeys(letters, 16))
    if isinstance(first, Tensor) or (not kwargs and not _nested(first)):
        return Arguments(make, None, parameters)
    flat, tree = flattened(first, kwargs, names)

    @functools.wraps(make)
    def made(**sizes: int) -> Flat:
        return flattened(make(**sizes), kwargs, names)[0]

    return Arguments(made, tree, _apart(parameters, flat))


def flattened(
    inputs: Any, kwargs: Mapping[str, Any], names: Sequence[str] = ()
) -> tuple[Flat, Any]:
    """Return the flat inputs by name, and the tree of positional arguments and keywords."""
    if not isinstance(inputs, Mapping):
        known = [*names[: len(inputs)], *(f"input{i}" for i in range(len(names), len(inputs)))]
        inputs = dict(zip(known, inputs, strict=True))
    flat: Flat = {}
    arguments = [_leaves(str(name), value, flat) for name, value in inputs.items()]
    options = {name: _leaves(name, _option(value), flat) for name, value in kwargs.items()}
    return flat, [arguments, options]


def _option(value: Any) -> Any:
    """Return a word such as "mean" as a constant: a shape has capital letters or numbers."""
    word = isinstance(value, str) and not re.search(r"[A-Z0-9]|^\s*(?:=|bool\b)", value)
    return f"= {value!r}" if word else value


def filled(tree: Any, flat: Sequence[Any]) -> Any:
    """Return the tree with values in place of their positions."""
    if isinstance(tree, int):
        return flat[tree]
    if isinstance(tree, Mapping):
        return {key: filled(value, flat) for key, value in tree.items()}
    return type(tree)(filled(value, flat) for value in tree)


def _leaves(name: str, value: Any, flat: Flat) -> Any:
    if not _has_tensors(value):
        flat[name] = value
        return len(flat) - 1
    if isinstance(value, Mapping):
        return {key: _leaves(f"{name}.{key}", v, flat) for key, v in value.items()}
    kind = list if isinstance(value, list) else tuple
    return kind(_leaves(f"{name}.{i}", v, flat) for i, v in enumerate(value))


def _has_tensors(value: Any) -> bool:
    """Return whether a value is a container of tensors or of shapes in letters."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, list | tuple):
        return False
    return any(isinstance(v, Tensor | str) or _has_tensors(v) for v in value)


def _nested(inputs: Any) -> bool:
    values = inputs.values() if isinstance(inputs, Mapping) else inputs
    return isinstance(inputs, Mapping | list | tuple) and any(map(_has_tensors, values))


def _apart(parameters: dict[str, Tensor], inputs: Any) -> dict[str, Tensor]:
    """Return the parameters under names that no input has."""
    taken = inputs if isinstance(inputs, Mapping) else ()
    return {f"parameters.{k}" if k in taken else k: p for k, p in parameters.items()}


def _parameters(function: Any, reference: Any) -> dict[str, Tensor]:
    modules = [f for f in (function, reference) if isinstance(f, nn.Module)]
    if not modules:
        return {}
    first, *others = (dict(m.named_parameters()) for m in modules)
    for other in others:
        shapes = [[tuple(p.shape) for p in row.values()] for row in (first, other)]
        if set(first) == set(other):
            shapes = [[tuple(row[k].shape) for k in first] for row in (first, other)]
        if shapes[0] != shapes[1]:
            both = [", ".join(f"{k} {as_text(p)}" for k, p in r.items()) for r in (first, other)]
            raise CheckError(
                f"the two modules have different parameters: {both[0] or 'none'}; "
                f"{both[1] or 'none'}; both must have the same, in the same order"
            )
    return {**first}


def _names_of(function: Any, parameters: Mapping[str, Tensor]) -> list[str]:
    """Return the module's own names of the parameters, in the order of the check's."""
    if not isinstance(function, nn.Module):
        return []
    own = [name for name, _ in function.named_parameters()]
    plain = [name.removeprefix("parameters.") for name in parameters]
    return plain if set(plain) == set(own) else own


def _accepts(function: Any, names: Sequence[str]) -> bool:
    try:
        known = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    return bool(names) and all(
        name in known and known[name].kind is not inspect.Parameter.VAR_POSITIONAL for name in names
    )


def buffers_of(module: nn.Module, flat: Sequence[Any]) -> dict[str, Tensor]:
    """Return copies of the buffers, in the dtype of the inputs: a call must not change them."""
    floating = [v.dtype for v in flat if isinstance(v, Tensor) and v.is_floating_point()]
    return {
        name: b.to(floating[0], copy=True) if floating and b.is_floating_point() else b.clone()
        for name, b in module.named_buffers()
    }


def _with_parameters(
    inputs: Inputs, parameters: Mapping[str, Tensor], wrt: Sequence[str] | None
) -> Inputs:
    count = len(inputs.names)

    def draw(sizes: Mapping[str, int], seed: int) -> tuple[Any, ...]:
        generator = torch.Generator().manual_seed(seed ^ 0x5EED)
        drawn = [drawn_like(p.detach(), p.shape, None, generator) for p in parameters.values()]
        return (*inputs.draw(sizes, seed), *drawn)

    chosen = [
        count + i
        for i, (name, p) in enumerate(parameters.items())
        if (p.requires_grad if wrt is None else name in wrt)
    ]
    return replace(
        inputs,
        names=(*inputs.names, *parameters),
        wrt=(*inputs.wrt, *chosen),
        draw=draw,
        orders=(*inputs.orders, *(None for _ in parameters)),
    )
