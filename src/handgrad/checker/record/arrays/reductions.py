"""Sums, means, extremes and running sums."""

from typing import Any

import torch
from torch import Tensor

from handgrad.checker.record.arrays.rule import (
    Call,
    Helper,
    Rule,
    as_tensor,
    axes_of,
    floating,
    require,
)


def _dims(x: Tensor, axis: Any, keepdims: bool) -> dict[str, Any]:
    if axis is None:
        return {"dim": tuple(range(x.dim())), "keepdim": True} if keepdims and x.dim() else {}
    return {"dim": axes_of(axis), **({"keepdim": True} if keepdims else {})}


def _sum(
    helper: Helper, a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False
) -> Call:
    x = as_tensor(a)
    return Call(torch.sum, (x,), _dims(x, axis, bool(keepdims)))


def _mean(
    helper: Helper, a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False
) -> Call:
    x = floating(helper, as_tensor(a))
    return Call(torch.mean, (x,), _dims(x, axis, bool(keepdims)))


def _spread(func: Any) -> Rule:
    def rule(
        helper: Helper, a: Any, axis: Any = None, dtype: Any = None, ddof: int = 0,
        correction: int | None = None, *, keepdims: Any = False,
    ) -> Call:  # fmt: skip
        x = floating(helper, as_tensor(a))
        correction = ddof if correction is None else correction
        return Call(func, (x,), {**_dims(x, axis, bool(keepdims)), "correction": correction})

    return rule


def _extreme(func: Any) -> Rule:
    def rule(helper: Helper, a: Any, axis: Any = None, *, keepdims: Any = False) -> Call:
        x = as_tensor(a)
        return Call(func, (x,), _dims(x, axis, bool(keepdims)))

    return rule


def _place(func: Any) -> Rule:
    def rule(helper: Helper, a: Any, axis: Any = None, *, keepdims: Any = False) -> Call:
        return Call(func, (as_tensor(a), axis), {"keepdim": True} if keepdims else {})

    return rule


def _running(func: Any) -> Rule:
    def rule(helper: Helper, a: Any, axis: Any = None, dtype: Any = None) -> Call:
        x = as_tensor(a)
        if axis is None:
            x, axis = helper.run(torch.reshape, x, (-1,)), 0
        return Call(func, (x, int(axis)))

    return rule


def _prod(
    helper: Helper, a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False
) -> Call:
    x = as_tensor(a)
    if axis is None:
        require(not keepdims)
        return Call(torch.prod, (x,))
    require(isinstance(axis, int))
    return Call(torch.prod, (x,), _dims(x, axis, bool(keepdims)))


def _norm(helper: Helper, x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Call:
    x = floating(helper, as_tensor(x))
    one = (axis is None and x.dim() == 1) or isinstance(axis, int)
    require(ord in (None, 2) if one else ord in (None, "fro"))
    return Call(torch.linalg.vector_norm, (x,), _dims(x, axis, bool(keepdims)))


def _truth(func: Any) -> Rule:
    def rule(helper: Helper, a: Any, axis: Any = None, *, keepdims: Any = False) -> Call:
        x = as_tensor(a)
        return Call(func, (x,), _dims(x, axis, bool(keepdims)))

    return rule


def _average(helper: Helper, a: Any, axis: Any = None, weights: Any = None) -> Call:
    require(weights is None)
    return _mean(helper, a, axis)


FUNCTIONS: dict[str, Rule] = {
    "sum": _sum, "mean": _mean, "average": _average, "prod": _prod,
    "std": _spread(torch.std), "var": _spread(torch.var),
    "max": _extreme(torch.amax), "amax": _extreme(torch.amax),
    "min": _extreme(torch.amin), "amin": _extreme(torch.amin),
    "argmax": _place(torch.argmax), "argmin": _place(torch.argmin),
    "cumsum": _running(torch.cumsum), "cumprod": _running(torch.cumprod),
    "all": _truth(torch.all), "any": _truth(torch.any), "linalg.norm": _norm,
    "nansum": lambda helper, a, axis=None: Call(torch.nansum, (a,), _dims(a, axis, False)),
}  # fmt: skip
REDUCED = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min",
           "logical_and": "all", "logical_or": "any"}  # fmt: skip
"""The reduction that `ufunc.reduce` is."""
ACCUMULATED = {"add": "cumsum", "multiply": "cumprod"}
