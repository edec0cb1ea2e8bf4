"""The inputs of a check: example tensors, shapes in letters, or a function that makes them.

(torch.randn(32, 64), torch.ones(64))              equal sizes vary together
{"x": "B T C", "weight": "C"}                      letters vary, numbers are fixed: "B 4 C", "B 2*H"
{"logits": "N V", "targets": "N < V"}              whole numbers below V; "N C > 0": positive
def make(B, C, heads=4): return {...}              parameters vary, except those with a default
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.functions.inputs.isolation import reseed
from handgrad.checker.functions.inputs.linked import Linked
from handgrad.checker.functions.inputs.shapes import Dim, Letters, Sizes, Spec, parsed, word
from handgrad.checker.functions.inputs.values import is_floating
from handgrad.checker.functions.samples.memory import order_of
from handgrad.errors import CheckError


@dataclass(frozen=True)
class Inputs:
    """All inputs of a check."""

    names: tuple[str, ...]
    letters: tuple[str, ...]
    known: Sizes
    """The sizes of the examples, which are known to work."""
    wrt: tuple[int, ...]
    """Positions of the inputs that require a gradient."""
    draw: Callable[[Sizes, int], tuple[Any, ...]]
    """Return values for sizes and a seed. Floating tensors are float64."""
    orders: tuple[tuple[int, ...] | None, ...] = ()
    """The order of the dimensions in memory of each example, if it is not the usual one."""
    complex: tuple[int, ...] = ()
    """Positions of complex inputs, which are drawn as pairs of real and imaginary part."""
    linked: Linked | None = None
    """Sizes that are equal in the examples alone."""

    def apart(self, sizes: Sizes, seed: int, apart: int) -> tuple[Any, ...]:
        """Return values in which sizes differ that are equal in the examples alone."""
        drawn = self.draw(sizes, seed)
        if not apart or self.linked is None:
            return drawn
        given = self.linked.draw(sizes, seed, apart)
        return (*given, *drawn[len(given) :])  # the parameters of modules follow


def specified(
    inputs: Any,
    parameters: Sequence[str],
    dims: Any = None,
    fixed: Iterable[str] = (),
    wrt: Sequence[str] | None = None,
    gradients: bool = True,
    held: Iterable[int] = (),
) -> Inputs:
    """Return the inputs of a check. Raises CheckError if `inputs` cannot be understood.

    `parameters` are names for a sequence of inputs, `dims` the shapes of the examples in letters,
    `fixed` the letters that keep the sizes of the examples, `gradients` whether any is checked,
    `held` sizes that examples keep.
    """
    if callable(inputs):
        return _from_function(inputs, parameters, wrt, gradients)
    if isinstance(inputs, Tensor):
        inputs = (inputs,)
    if not isinstance(inputs, Sequence | Mapping) or isinstance(inputs, str) or not len(inputs):
        raise CheckError(
            f"inputs must be tensors, shapes such as {{'x': 'B T C'}} or a function that makes "
            f"tensors, got {type(inputs).__name__ if inputs else repr(inputs)}"
        )
    names = _named(inputs, parameters)
    values = _values(inputs)
    _refuse_sparse(names, values)
    given = _given_dims(names, values, dims)
    specs = _specs(names, values, given, held)
    known = _known(names, specs)
    kept = fixed.split() if isinstance(fixed, str) else list(fixed)
    unknown = [k for k in kept if k not in known]
    if unknown:
        raise CheckError(f"fixed={' '.join(kept)}: no example has a size {unknown[0]!r}")
    specs = [_fixed(s, {k: known[k] for k in kept}) for s in specs]
    letters = dict.fromkeys(d.letter for s in specs for d in s.dims if d.letter)

    def draw(sizes: Sizes, seed: int) -> tuple[Any, ...]:
        generator = torch.Generator().manual_seed(seed)
        return tuple(spec.draw(sizes, generator) for spec in specs)

    chosen = _wrt(names, values, [spec.floating for spec in specs], wrt, gradients)
    pairs = tuple(i for i, spec in enumerate(specs) if spec.complex)
    orders = tuple(None if i in pairs else order_of(v) for i, v in enumerate(values))
    shown = {d.letter for name, s in zip(names, specs, strict=True) for d in s.dims
             if name in given or s.example is None}  # fmt: skip
    free = tuple(letter for letter in letters if letter not in shown)
    linked = Linked(tuple(specs), tuple(names), free, {}) if free else None
    return Inputs(tuple(names), tuple(letters), known, chosen, draw, orders, pairs, linked)


def _from_function(
    make: Callable[..., Any], parameters: Sequence[str], wrt: Sequence[str] | None, gradients: bool
) -> Inputs:
    """Return inputs that a function makes from sizes, passed by name."""
    signature = inspect.signature(make).parameters
    letters = tuple(name for name, p in signature.items() if p.default is p.empty)

    def call(sizes: Sizes, seed: int) -> Any:
        reseed(seed)
        result = make(**sizes)
        return (result,) if isinstance(result, Tensor) else result

    def draw(sizes: Sizes, seed: int) -> tuple[Any, ...]:
        values = [_as_pairs(v) for v in _values(call(sizes, seed))]
        return tuple(v.detach().double() if is_floating(v) else v for v in values)

    with torch.random.fork_rng(devices=[]):
        first = call(dict.fromkeys(letters, 16), 0)
    names, values = _named(first, parameters), _values(first)
    _refuse_sparse(names, values)
    pairs = tuple(i for i, v in enumerate(values) if isinstance(v, Tensor) and v.is_complex())
    values = [_as_pairs(v) for v in values]
    chosen = _wrt(names, values, list(map(is_floating, values)), wrt, gradients)
    orders = tuple(None if i in pairs else order_of(v) for i, v in enumerate(values))
    return Inputs(tuple(names), letters, {}, chosen, draw, orders, pairs)


def _as_pairs(value: Any) -> Any:
    """Return a complex tensor as pairs of real and imaginary part."""
    if not isinstance(value, Tensor) or not value.is_complex():
        return value
    return torch.view_as_real(value.resolve_conj()).requires_grad_(value.requires_grad)


def _values(inputs: Any) -> list[Any]:
    return list(inputs.values() if isinstance(inputs, Mapping) else inputs)


def _refuse_sparse(names: Sequence[str], values: Sequence[Any]) -> None:
    for name, value in zip(names, values, strict=True):
        if isinstance(value, Tensor) and value.layout != torch.strided:
            raise CheckError(
                f"{name} is a sparse tensor, which cannot be drawn: make its values the input, "
                f"and build the tensor in both functions: "
                f"torch.sparse_coo_tensor(indices, values, size)"
            )


def _named(inputs: Any, parameters: Sequence[str]) -> list[str]:
    if isinstance(inputs, Mapping):
        return [str(name) for name in inputs]
    names = list(parameters[: len(inputs)])
    return names + [f"input{i}" for i in range(len(names), len(inputs))]


def _wrt(
    names: list[str],
    values: list[Any],
    floating: list[bool],
    wrt: Sequence[str] | None,
    gradients: bool,
) -> tuple[int, ...]:
    """Return the inputs to differentiate by: `wrt`, those that require a gradient, or all."""
    known = ", ".join(name for name, yes in zip(names, floating, strict=True) if yes)
    for name in wrt or ():
        if name not in names or not floating[names.index(name)]:
            raise CheckError(f"wrt: no floating input is named {name!r}; floating inputs: {known}")
    if wrt is not None:
        return tuple(names.index(name) for name in wrt)
    requires = [isinstance(v, Tensor) and v.requires_grad for v in values]
    chosen = requires if any(requires) else floating
    positions = tuple(i for i, yes in enumerate(chosen) if yes)
    if gradients and not positions:
        raise CheckError("no input is a floating tensor, so there is no gradient to check")
    return positions


def _given_dims(names: list[str], values: list[Any], dims: Any) -> dict[str, str]:
    """Return the shapes in letters that were given for examples, by input name."""
    if dims is None:
        return {}
    if isinstance(dims, str):
        dims = (dims,)
    if isinstance(dims, Mapping):
        given = {str(k): str(v) for k, v in dims.items()}
    else:
        tensors = [n for n, v in zip(names, values, strict=True) if isinstance(v, Tensor)]
        if len(dims) != len(tensors):
            raise CheckError(
                f"dims has {len(dims)} shapes for {len(tensors)} tensors ({', '.join(tensors)}): "
                f"give one shape for each"
            )
        given = dict(zip(tensors, dims, strict=True))
    unknown = [name for name in given if name not in names]
    if unknown:
        raise CheckError(f"dims: no input is named {unknown[0]!r}; inputs: {', '.join(names)}")
    return given


def _specs(
    names: list[str], values: list[Any], given: dict[str, str], held: Iterable[int]
) -> list[Spec]:
    letters = Letters(given)
    letters.of.update({size: Dim(size) for size in held})
    specs = {}
    order = sorted(names, key=lambda n: n not in given)  # given shapes name the sizes of others
    for name in order:
        value = values[names.index(name)]
        if isinstance(value, str):
            specs[name] = parsed(name, value)
        elif isinstance(value, Tensor):
            pairs = value.is_complex()
            value = torch.view_as_real(value.detach().resolve_conj()) if pairs else value
            shape = parsed(name, given[name]) if name in given else None
            sizes = value.shape[:-1] if pairs else value.shape
            dims = shape.dims if shape else tuple(map(letters.dim, sizes))
            dims += (Dim(2),) * (pairs and len(dims) < value.dim())
            if len(dims) != value.dim():
                raise CheckError(
                    f"dims: {name} has shape {tuple(value.shape)}, not {given[name]!r}"
                )
            below = shape.below if shape else None
            specs[name] = Spec(dims, value.detach(), below, complex=pairs)
            letters.learn(specs[name], value)
        else:
            specs[name] = Spec(constant=(value,))
    ordered = [specs[name] for name in names]
    return [_ranged(spec, ordered) for spec in ordered]


def _known(names: list[str], specs: list[Spec]) -> dict[str, int]:
    """Return the sizes of the examples by letter. Raises CheckError if they disagree."""
    known: dict[str, int] = {}
    for name, spec in zip(names, specs, strict=True):
        if spec.example is None:
            continue
        for dim, size in zip(spec.dims, spec.example.shape, strict=True):
            if dim.letter is None:
                fits = size == dim.factor
            else:
                count, rest = divmod(size, dim.factor)
                fits = not rest and known.setdefault(dim.letter, count) == count
            if not fits:
                raise CheckError(
                    f"dims: {name} has shape {tuple(spec.example.shape)}, which does not fit "
                    f"{' '.join(word(d) for d in spec.dims)!r} and the other examples"
                )
    return known


def _ranged(spec: Spec, specs: list[Spec]) -> Spec:
    """Bound whole numbers that look like indices by the smallest size above them."""
    value = spec.example
    if value is None or spec.below or value.dtype == torch.bool:
        return spec
    if value.is_floating_point() or not value.numel():
        return spec
    letters = {dim.letter for dim in spec.dims}
    sizes = [
        (size, dim)
        for other in specs
        if other.example is not None and other.floating
        for dim, size in zip(other.dims, other.example.shape, strict=True)
        if dim.letter and dim.letter not in letters and size > int(value.max())
    ]
    # of equal sizes the first: the rows of a table, not its columns
    return replace(spec, below=min(sizes, key=lambda pair: pair[0])[1]) if sizes else spec


def _fixed(spec: Spec, sizes: Sizes) -> Spec:
    def still(dim: Dim) -> Dim:
        return Dim(dim.size(sizes)) if dim.letter in sizes else dim

    below = still(spec.below) if spec.below else None
    return replace(spec, dims=tuple(map(still, spec.dims)), below=below)
