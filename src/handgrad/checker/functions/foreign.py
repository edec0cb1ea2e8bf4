"""Functions that autograd cannot differentiate: pairs of forward and backward, NumPy, JAX.

A pair: forward(*inputs) returns (out, cache), backward(dout, cache) the gradients of the inputs in
their order. Both get NumPy arrays, or tensors if they do not take arrays.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handgrad.errors import CheckError

REMEDY = (
    "pass a pair (forward, backward): forward(*inputs) returns (out, cache), backward(dout, cache) "
    "the gradients of the inputs"
)
_NO_CACHE = "of a pair, forward(*inputs) must return (out, cache)"
_NUMPY = ("Can't call numpy() on Tensor that requires grad", "__array__() takes")
_JAX = ("jax", "abstract array")


def is_pair(function: Any) -> bool:
    """Return whether a function was given as a pair of two."""
    return (
        isinstance(function, tuple | list) and len(function) == 2 and all(map(callable, function))
    )


def paired(forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of tensors that autograd differentiates by `backward`."""

    class Pair(torch.autograd.Function):
        arrays: bool | None = None

        @staticmethod
        def forward(ctx: Any, *values: Any) -> Any:
            if Pair.arrays is None:
                Pair.arrays = _takes_arrays(forward, values)
            if Pair.arrays and any(_is_bfloat16(v) for v in values):
                raise TypeError("NumPy has no dtype bfloat16")
            result = forward(*(map(_array, values) if Pair.arrays else values))
            if not isinstance(result, tuple) or len(result) != 2:
                raise CheckError(f"forward returns {type(result).__name__}; {_NO_CACHE}")
            out, ctx.cache = result
            ctx.values = values
            return _tensor(out, _like(values))

        @staticmethod
        def backward(ctx: Any, *upstream: Any) -> Any:
            given = _array(upstream[0]) if Pair.arrays else upstream[0]
            gradients = backward(given, ctx.cache)
            if not isinstance(gradients, tuple | list):
                gradients = (gradients,)
            return tuple(None if g is None else _tensor(g, _like(ctx.values)) for g in gradients)

    Pair.__name__ = str(getattr(forward, "__name__", "forward"))
    return Pair.apply


def refuse_foreign(error: str) -> None:
    """Raise CheckError, one line that names the remedy, if an error comes from NumPy or JAX."""
    if _NO_CACHE in error:
        raise CheckError(error.partition("CheckError: ")[2] or error)
    kind = "NumPy" if any(words in error for words in _NUMPY) else ""
    kind = kind or ("JAX" if all(words in error for words in _JAX) else "")
    if kind:
        what = "reference" if error.startswith("the reference") else "function"
        remedy = "write it with torch operations" if what == "reference" else REMEDY
        raise CheckError(
            f"the {what} is written in {kind}, which autograd cannot differentiate: {remedy}"
        )


def _takes_arrays(forward: Callable[..., Any], values: Sequence[Any]) -> bool:
    if any(map(_is_bfloat16, values)):
        values = [v.float() if _is_bfloat16(v) else v for v in values]
    try:
        forward(*map(_array, values))
    except (TypeError, AttributeError):  # written for tensors
        return False
    return True


def _is_bfloat16(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.bfloat16


def _array(value: Any) -> Any:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value


def _like(values: Sequence[Any]) -> Tensor:
    floating = [v for v in values if isinstance(v, Tensor) and v.is_floating_point()]
    return floating[0] if floating else torch.empty(0)


def _tensor(value: Any, like: Tensor) -> Tensor:
    """Return an array as a tensor; a float64 number that stands for less precision is converted."""
    if isinstance(value, Tensor):
        return value
    made = torch.from_numpy(np.array(value))
    return made.to(like.device, like.dtype) if made.is_floating_point() else made.to(like.device)
