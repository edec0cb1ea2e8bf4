"""Elementwise functions and matrix products: NumPy's ufuncs."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from handgrad.checker.record.arrays.rule import Call, Helper, Rule, as_tensor, require, same_dtype

UNARY = {
    "absolute": torch.abs, "arccos": torch.acos, "arccosh": torch.acosh, "arcsin": torch.asin,
    "arcsinh": torch.asinh, "arctan": torch.atan, "arctanh": torch.atanh, "ceil": torch.ceil,
    "conjugate": torch.clone, "cos": torch.cos, "cosh": torch.cosh, "deg2rad": torch.deg2rad,
    "exp": torch.exp, "exp2": torch.exp2, "expm1": torch.expm1, "fabs": torch.abs,
    "floor": torch.floor, "invert": torch.bitwise_not, "isfinite": torch.isfinite,
    "isinf": torch.isinf, "isnan": torch.isnan, "log": torch.log, "log10": torch.log10,
    "log1p": torch.log1p, "log2": torch.log2, "logical_not": torch.logical_not,
    "negative": torch.neg, "positive": torch.clone, "rad2deg": torch.rad2deg,
    "reciprocal": torch.reciprocal, "rint": torch.round, "sign": torch.sign, "sin": torch.sin,
    "sinh": torch.sinh, "sqrt": torch.sqrt, "square": torch.square, "tan": torch.tan,
    "tanh": torch.tanh, "trunc": torch.trunc, "signbit": torch.signbit,
    "expit": torch.sigmoid, "log_expit": F.logsigmoid, "erf": torch.erf, "erfc": torch.erfc,
}  # fmt: skip
"""The last four are SciPy's."""
BINARY = {
    "add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.div,
    "power": torch.pow, "float_power": torch.pow, "maximum": torch.maximum,
    "minimum": torch.minimum, "fmax": torch.fmax, "fmin": torch.fmin, "arctan2": torch.atan2,
    "hypot": torch.hypot, "floor_divide": torch.floor_divide, "remainder": torch.remainder,
    "fmod": torch.fmod, "greater": torch.gt, "greater_equal": torch.ge, "less": torch.lt,
    "less_equal": torch.le, "equal": torch.eq, "not_equal": torch.ne,
    "logical_and": torch.logical_and, "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor, "bitwise_and": torch.bitwise_and,
    "bitwise_or": torch.bitwise_or, "bitwise_xor": torch.bitwise_xor,
    "logaddexp": torch.logaddexp, "heaviside": torch.heaviside, "copysign": torch.copysign,
}  # fmt: skip
_REVERSED = {
    "subtract": torch.rsub, "divide": getattr(Tensor, "__rtruediv__"),  # noqa: B009
    "power": getattr(Tensor, "__rpow__"),  # noqa: B009
}  # fmt: skip
_SYMMETRIC = {"add", "multiply", "equal", "not_equal"}
_TENSORS_ONLY = {"maximum", "minimum", "fmax", "fmin", "arctan2", "hypot", "logaddexp", "heaviside",
                 "logical_and", "logical_or", "logical_xor"}  # fmt: skip
IN_PLACE = {
    "add": Tensor.add_, "subtract": Tensor.sub_, "multiply": Tensor.mul_, "divide": Tensor.div_,
    "power": Tensor.pow_,
}  # fmt: skip


def _unary(name: str) -> Rule:
    def rule(helper: Helper, x: Any) -> Call:
        if name == "negative" and x.dtype == torch.bool:
            x = helper.run(Tensor.to, x, torch.int64)
        return Call(UNARY[name], (x,))

    return rule


def _binary(name: str) -> Rule:
    def rule(helper: Helper, x: Any, y: Any) -> Call:
        x, y = _widened(helper, name, x, y), _widened(helper, name, y, x)
        if name in ("subtract", "power", "divide"):
            x, y = _counted(helper, x), _counted(helper, y)
        x, y = _listed(x, y), _listed(y, x)
        if name in ("maximum", "minimum"):
            bounded = _bounded(name, x, y)
            if bounded is not None:
                return bounded
        if name in _TENSORS_ONLY:
            like = x if isinstance(x, Tensor) else y
            return Call(BINARY[name], (as_tensor(x, like), as_tensor(y, like)))
        if isinstance(x, Tensor):
            return Call(BINARY[name], (x, y))
        if name in _SYMMETRIC:
            return Call(BINARY[name], (y, x))
        if name in _REVERSED:
            return Call(_REVERSED[name], (y, x))
        return Call(BINARY[name], (as_tensor(x, y), y))

    return rule


def _bounded(name: str, x: Any, y: Any) -> Call | None:
    """Return `np.maximum(0, x)` as relu, and other bounds by numbers as clamp."""
    tensor, number = (x, y) if isinstance(x, Tensor) else (y, x)
    if isinstance(number, Tensor) or not isinstance(number, int | float):
        return None
    if name == "maximum" and number == 0 and tensor.is_floating_point():
        return Call(torch.relu, (tensor,))
    return Call(torch.clamp, (tensor,), {"min" if name == "maximum" else "max": number})


def _widened(helper: Helper, name: str, value: Any, other: Any) -> Any:
    """Return whole numbers in float64 where NumPy computes in it: `mask / 0.7`, `counts / n`."""
    if not isinstance(value, Tensor) or value.is_floating_point() or value.is_complex():
        return value
    if isinstance(other, float) or (name == "divide" and not _is_floating(other)):
        return helper.run(Tensor.to, value, torch.float64)
    return value


def _is_floating(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _counted(helper: Helper, value: Any) -> Any:
    """Return a boolean tensor as integers: torch does not subtract booleans."""
    if isinstance(value, Tensor) and value.dtype == torch.bool:
        return helper.run(Tensor.to, value, torch.int64)
    return value


def _listed(value: Any, other: Any) -> Any:
    is_list = isinstance(value, list | tuple)
    return as_tensor(value, other if isinstance(other, Tensor) else None) if is_list else value


def _matmul(helper: Helper, x: Any, y: Any) -> Call:
    x, y = same_dtype(helper, as_tensor(x, y), as_tensor(y, x))
    return Call(torch.matmul, (x, y))


def _cbrt(helper: Helper, x: Tensor) -> Call:
    return Call(cube_root, (x,))


def cube_root(x: Tensor) -> Tensor:
    """Return the real cube root."""
    return torch.sign(x) * torch.abs(x) ** (1 / 3)


UFUNCS: dict[str, Rule] = {
    **{name: _unary(name) for name in UNARY},
    **{name: _binary(name) for name in BINARY},
    "matmul": _matmul,
    "cbrt": _cbrt,
}


def outer_ufunc(name: str) -> Rule:
    """Return the rule of `ufunc.outer`."""

    def rule(helper: Helper, x: Any, y: Any) -> Call:
        require(isinstance(x, Tensor) and isinstance(y, Tensor))
        first = helper.run(torch.reshape, x, (*x.shape, *[1] * y.dim()))
        return UFUNCS[name](helper, first, y)

    return rule
