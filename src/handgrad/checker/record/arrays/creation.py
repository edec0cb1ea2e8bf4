"""New arrays: zeros, ones, ranges. A line that is suggested can make them again."""

from typing import Any

import torch
from torch import Tensor

from handgrad.checker.record.arrays.rule import Call, Helper, Rule, require


def _sized(func: Any) -> Rule:
    def rule(helper: Helper, shape: Any, dtype: Any = None) -> Call:
        return Call(func, (shape if isinstance(shape, int) else tuple(shape),))

    return rule


def _full(helper: Helper, shape: Any, fill_value: Any, dtype: Any = None) -> Call:
    require(isinstance(fill_value, int | float))
    return Call(torch.full, ((shape,) if isinstance(shape, int) else tuple(shape), fill_value))


def _eye(helper: Helper, N: int, M: Any = None, dtype: Any = None) -> Call:
    return Call(torch.eye, (N,) if M is None else (N, M))


def _arange(helper: Helper, *bounds: Any, dtype: Any = None) -> Call:
    return Call(torch.arange, bounds)


def _like(func: Any) -> Rule:
    def rule(helper: Helper, a: Any, dtype: Any = None) -> Call:
        require(isinstance(a, Tensor))
        return Call(func, (a,))

    return rule


CREATED: dict[str, Rule] = {
    "zeros": _sized(torch.zeros), "ones": _sized(torch.ones), "full": _full, "eye": _eye,
    "identity": _eye, "arange": _arange,
}  # fmt: skip
LIKE: dict[str, Rule] = {
    "zeros_like": _like(torch.zeros_like), "ones_like": _like(torch.ones_like),
}  # fmt: skip
