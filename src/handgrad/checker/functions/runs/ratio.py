"""R of one result: its distance from the truth, in units of what rounding explains."""

import math

import torch
from torch import Tensor

from handgrad.checker.functions.runs.bench import Quantity
from handgrad.checker.functions.runs.truth import Truth
from handgrad.checker.functions.samples.sample import CheckSample
from handgrad.checker.passes.compare import LIMITS, ratio_of
from handgrad.checker.passes.noise import DRAWS

FEW, MANY, FAR = 2, 24, 1e3
"""Draws of the noise. FEW draws decide where R is within the limit, or where the error is FAR times
the limit even on the scale of the largest noise. A wrong result is confirmed with MANY draws: where
all terms cancel, a single draw sometimes moves the result by 0."""


def ratio_to_truth(truth: Truth, quantity: Quantity, value: Tensor) -> float:
    """Return R of `value`; an upper bound, cheaper to compute, where that is within the limit."""
    right, limit = truth.results[quantity], limit_of(truth.sample)
    if not right.is_floating_point():
        return 0.0 if torch.equal(value.to(right.dtype), right) else math.inf
    eps = torch.finfo(getattr(torch, truth.sample.dtype)).eps
    ratio = ratio_of(value, None, right, right.abs() * eps)
    if ratio <= limit:
        return ratio
    return _staged(truth, quantity, value, truth.native(quantity), 1.0, limit)


def ratio_in_dtype(truth: Truth, quantity: Quantity, value: Tensor, dtype: torch.dtype) -> float:
    """Return R of `value` as if it had been computed in `dtype`."""
    eps = torch.finfo(getattr(torch, truth.sample.dtype)).eps
    return _staged(truth, quantity, value, None, torch.finfo(dtype).eps / eps, LIMITS[dtype])


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


def limit_of(sample: CheckSample) -> float:
    """Return the R above which a result is wrong in the sample's dtype."""
    return LIMITS[getattr(torch, sample.dtype)]
