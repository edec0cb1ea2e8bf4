"""Half precision judged by the size of the whole error, in units of the reference's own.

Element by element, noise explains an error where terms cancel, as in the gradient of a norm's
weight. A running sum in bfloat16 loses a little more with every term; torch, which accumulates in
float32, does not. So the error counts that grows with a size, while the reference's does not.
"""

from dataclasses import replace

import torch
from torch import Tensor

from handgrad.checker.functions.runs.bench import Quantity
from handgrad.checker.functions.runs.calls import FunctionCall
from handgrad.checker.functions.runs.faults import Fault, Trial
from handgrad.checker.functions.runs.truth import Results, Truth, truth_of
from handgrad.checker.functions.samples.sample import HALF, CheckSample

LARGE = 512
"""Sizes at which sums are long enough."""
GLANCE, LIMIT = 4.0, 5.0
"""Times the reference's own error: in one draw, and in the mean of DRAWS. A formula in several
roundings reaches 2."""
GROWTH = ((1 / 8, 1.7), (1 / 64, 2.5))
"""The error at these parts of the size must be smaller by these factors. A running sum of 8 times
as many terms is off by 2.8 times as much; a formula in several roundings is not."""
DRAWS = 4
CANCELLED = 20
LEAST = 0.25
"""Of eps: the error, in norm, of numbers that are rounded once."""


def find_imprecise(trial: Trial, truth: Truth) -> None:
    """Add a fault for each result whose error in norm grows with a size, beyond the reference's."""
    large = [letter for letter, size in trial.sample.sizes if size >= LARGE]
    if trial.sample.dtype not in HALF or not large or trial.faults:
        return
    for quantity, value in trial.results.items():
        ratio = _ratio(truth, quantity, value)
        if ratio is None or ratio <= GLANCE or _cancels(truth, quantity):
            continue
        mean = _mean_ratio(truth, quantity, truth.sample)
        if mean > LIMIT and any(_grows(truth, quantity, mean, letter) for letter in large):
            trial.faults.append(Fault(quantity, "imprecise", ratio=mean))


def error_in_norm(value: Tensor, right: Tensor) -> float:
    """Return |value - right| / |right|, in norm."""
    size = float(right.norm())
    return float((value.to(right) - right).norm()) / size if size else 0.0


def _cancels(truth: Truth, quantity: Quantity) -> bool:
    """Return whether rounding alone moves the whole result by more than a part in CANCELLED."""
    moves = truth.noise(quantity, 1).nan_to_num(0, 0, 0)
    return CANCELLED * float(moves.norm()) > float(truth.results[quantity].norm())


def _ratio(truth: Truth, quantity: Quantity, value: Tensor) -> float | None:
    right, native = truth.results[quantity], truth.native(quantity)
    if native is None or not right.is_floating_point() or value.shape != right.shape:
        return None
    error, floor = error_in_norm(value, right), error_in_norm(native, right)
    eps = torch.finfo(getattr(torch, truth.sample.dtype)).eps
    ratio = error / max(floor, LEAST * eps)
    return ratio if ratio < torch.inf else None


def _grows(truth: Truth, quantity: Quantity, ratio: float, letter: str) -> bool:
    size = truth.sample.size_of[letter]
    return all(
        ratio
        > factor * _mean_ratio(truth, quantity, truth.sample.sized({letter: int(size * part)}))
        for part, factor in GROWTH
    )


def _mean_ratio(truth: Truth, quantity: Quantity, sample: CheckSample) -> float:
    """Return the mean over DRAWS; infinite if the quantity cannot be computed there."""
    ratios = []
    for draw in range(DRAWS):
        try:
            there = truth_of(truth.bench, replace(sample, draw=sample.draw + draw))
            call = truth.bench.run_function(there.values, there.wanted)
            ratio = _ratio(there, quantity, _results(call, there)[quantity])
        except Exception:
            ratio = None
        ratios.append(torch.inf if ratio is None else ratio)
    return sum(ratios) / DRAWS


def _results(call: FunctionCall, truth: Truth) -> Results:
    results = {Quantity("output", i): t.detach() for i, t in enumerate(call.outputs)}
    if truth.outputs:
        gradients = call.gradients(truth.outputs, [u.clone() for u in truth.upstream])
        pairs = zip(truth.wanted, gradients, strict=True)
        results |= {Quantity("gradient", i): g for i, g in pairs if g is not None}
    return results
