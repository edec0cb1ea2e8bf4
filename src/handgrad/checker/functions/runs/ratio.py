"""R of one result: its distance from the truth, in units of what rounding explains."""

import math

import torch
from torch import Tensor

from handgrad.checker.functions.runs.bench import Quantity
from handgrad.checker.functions.runs.truth import Truth
from handgrad.checker.functions.samples.sample import CheckSample
from handgrad.checker.passes.compare import LIMITS, ratio_of
from handgrad.checker.passes.noise import DRAWS

FEW, MANY, FAR = 1, 24, 1e3
"""Draws of the noise. FEW draws decide where R is within the limit (more draws only lower it), or
where the error is FAR times the limit even on the scale of the largest noise. A wrong result is
confirmed with MANY draws: where all terms cancel, a single draw sometimes moves the result by 0."""


def ratio_to_truth(truth: Truth, quantity: Quantity, value: Tensor) -> float:
    """Return R of `value`; an upper bound, cheaper to compute, where that is within the limit."""
    right, limit = truth.results[quantity], limit_of(truth.sample)
    if not right.is_floating_point():
        return 0.0 if torch.equal(value.to(right.dtype), right) else math.inf
    eps = torch.finfo(getattr(torch, truth.sample.dtype)).eps
    ratio = ratio_of(value, None, right, right.abs() * eps)
    if ratio <= limit:
        return ratio
    native, value = truth.native(quantity), _without_void(truth, quantity, value)
    if native is not None:
        ratio = ratio_of(value, native, right, right.abs() * eps)
        if ratio <= limit:
            return ratio
    return _staged(truth, quantity, value, native, 1.0, limit)


def ratio_in_dtype(truth: Truth, quantity: Quantity, value: Tensor, dtype: torch.dtype) -> float:
    """Return R of `value` as if it had been computed in `dtype`."""
    eps = torch.finfo(getattr(torch, truth.sample.dtype)).eps
    return _staged(truth, quantity, value, None, torch.finfo(dtype).eps / eps, LIMITS[dtype])


def void(truth: Truth, quantity: Quantity) -> Tensor:
    """Return which elements have no right value in the sample's dtype.

    The truth is beyond its largest number, or the reference itself is not finite in it, or the
    output whose gradient it is is not finite.
    """
    if quantity.kind != "output" and not truth.is_finite:
        return torch.ones_like(truth.results[quantity], dtype=torch.bool)
    right, native = truth.results[quantity], truth.native(quantity)
    beyond = right.abs() > torch.finfo(getattr(torch, truth.sample.dtype)).max
    return beyond if native is None else beyond | ~native.to(right).isfinite()


def _without_void(truth: Truth, quantity: Quantity, value: Tensor) -> Tensor:
    """Return the value with the truth where it is not finite and need not be."""
    ignored = ~value.isfinite()
    if bool(ignored.any()):
        ignored = ignored & void(truth, quantity).to(value.device)
        value = torch.where(ignored, truth.results[quantity].to(value), value)
    return value


def _staged(
    truth: Truth,
    quantity: Quantity,
    value: Tensor,
    native: Tensor | None,
    scale: float,
    limit: float,
) -> float:
    """Return R from as few draws of the noise as decide."""
    right = truth.results[quantity]
    few = truth.noise(quantity, FEW) * scale
    error = (value.to(right) - right).abs().nan_to_num(nan=math.inf)
    if 0 < float(few.max()) * FAR * limit < float(error.max()):
        return ratio_of(value, native, right, few)
    known = quantity in truth.bench.wrong
    for draws in (FEW, DRAWS) if known else (FEW, DRAWS, MANY):
        ratio = ratio_of(value, native, right, truth.noise(quantity, draws) * scale)
        if ratio <= limit:
            break
    return ratio


def slack_of(truth: Truth, quantity: Quantity) -> Tensor:
    """Return the error that rounding explains, elementwise."""
    right = truth.results[quantity]
    if not right.is_floating_point():
        return torch.zeros_like(right)
    scale, native = truth.noise(quantity), truth.native(quantity)
    if native is not None:
        error = (native.to(right) - right).abs()
        scale = torch.where(error.isfinite(), torch.maximum(scale, error), scale)
    return limit_of(truth.sample) * scale.nan_to_num(nan=math.inf)


def limit_of(sample: CheckSample) -> float:
    """Return the R above which a result is wrong in the sample's dtype."""
    return LIMITS[getattr(torch, sample.dtype)]
