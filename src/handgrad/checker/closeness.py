"""Whether tensors or numbers that should agree do.

A gradient is compared with the truth in passes/compare.py, by how far rounding moves it. The
functions here compare values that were both computed in float64: what separates them is the user's
constants, which went through the user's dtype, and terms that nearly cancel.
"""

import math

import torch
from torch import Tensor

TENSORS = 1e-5
"""Relative limit between tensors: constants are 1e-7 off, and cancellation enlarges that."""
CONSTANTS = 1e-6
"""Relative limit between two estimates of one constant, each taken from a whole tensor."""


def small(difference: Tensor, scale: Tensor, limit: float = TENSORS) -> Tensor:
    """Return where a difference is within `limit` of the scale there plus the mean scale."""
    return difference.abs() <= limit * (scale + scale.mean())


def close(a: Tensor, b: Tensor, limit: float = TENSORS) -> bool:
    """Tell whether two tensors have one shape and agree; infinities and NaN must stand in both."""
    if a.shape != b.shape:
        return False
    near = small(a - b, a.abs() + b.abs(), limit)
    return bool((near | (a == b) | (a.isnan() & b.isnan())).all())


def same_numbers(a: Tensor, b: Tensor, limit: float = TENSORS) -> bool:
    """Tell whether two tensors hold the same finite numbers, not all of them 0."""
    if a.shape != b.shape or not bool((a.isfinite() & b.isfinite()).all()):
        return False
    return bool(torch.any(a != 0)) and close(a, b, limit)


def same_constant(a: float, b: float) -> bool:
    """Tell whether two numbers are estimates of one constant."""
    return math.isclose(a, b, rel_tol=CONSTANTS)
