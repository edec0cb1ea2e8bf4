"""Functions of scipy.special that are no ufuncs, which NumPy's dispatch would reach."""

from typing import Any

import torch

from handgrad.checker.record.arrays.rule import Call, Helper, Rule, as_tensor, require


def _logsumexp(
    helper: Helper,
    a: Any,
    axis: Any = None,
    b: Any = None,
    keepdims: Any = False,
    return_sign: Any = False,
) -> Call:
    require(b is None and not return_sign)
    x = as_tensor(a)
    dims = tuple(range(x.dim())) if axis is None else axis
    return Call(torch.logsumexp, (x, dims, bool(keepdims)))


def _along(func: Any) -> Rule:
    def rule(helper: Helper, x: Any, axis: Any = None) -> Call:
        tensor = as_tensor(x)
        if axis is None and tensor.dim() == 1:
            axis = 0
        require(isinstance(axis, int))
        return Call(func, (tensor, axis))

    return rule


SPECIAL: dict[str, Rule] = {
    "logsumexp": _logsumexp, "softmax": _along(torch.softmax),
    "log_softmax": _along(torch.log_softmax),
}  # fmt: skip
