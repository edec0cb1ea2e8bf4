"""One result of the function under test: right, wrong, or right as far as anybody can tell."""

from collections.abc import Callable

import torch
from torch import Tensor

from handgrad.checker.functions.runs.bench import Quantity
from handgrad.checker.functions.runs.faults import Fault, Trial
from handgrad.checker.functions.runs.kinks import is_subgradient
from handgrad.checker.functions.runs.ratio import (
    limit_of,
    ratio_in_dtype,
    ratio_to_truth,
    slack_of,
    void,
)
from handgrad.checker.functions.runs.truth import Truth
from handgrad.checker.passes.compare import LIMITS

COARSE = {torch.float64: 1e-4, torch.float32: 1e-3}
"""Relative errors that matter where elements are equal: only the choice at kinks is judged."""


def judge(trial: Trial, truth: Truth, quantity: Quantity) -> None:
    """Add the fault of a result, if it is wrong."""
    if trial.sample.zeros:
        _judge_zeros(trial, truth, quantity)
    elif trial.sample.ties:
        _judge_ties(trial, truth, quantity)
    else:
        _judge_numbers(trial, truth, quantity)


def in_single(truth: Truth, quantity: Quantity, value: Tensor) -> bool:
    """Return whether a float64 result has the precision of float32: kernels accumulate in it."""
    if truth.sample.dtype != "float64" or not value.is_floating_point():
        return False
    return ratio_in_dtype(truth, quantity, value, torch.float32) <= LIMITS[torch.float32]


def _judge_zeros(trial: Trial, truth: Truth, quantity: Quantity) -> None:
    """Judge whether a result is finite. 0 is often a kink, where other subgradients are right."""
    value, right = trial.results[quantity], truth.results[quantity]
    broken = ~value.isfinite() & right.isfinite()
    if not bool(broken.any()):
        return
    broken &= ~void(truth, quantity).to(broken.device)
    repaired = torch.where(broken, value.double(), right)
    if not bool(broken.any()) or _is_right_at_kinks(truth, quantity, repaired, lambda: right * 0):
        return
    trial.faults.append(Fault(quantity, "infinite"))


def _judge_ties(trial: Trial, truth: Truth, quantity: Quantity) -> None:
    value, right = trial.results[quantity], truth.results[quantity]
    coarse = COARSE.get(getattr(torch, trial.sample.dtype))
    if coarse is None or quantity.kind != "gradient":
        return
    largest = right.abs().nan_to_num(0, 0, 0).max() if right.numel() else right.sum()
    slack = torch.full_like(right, coarse * float(largest))
    near = (value.to(right) - right).abs() <= slack
    if bool((near | ~value.isfinite() | ~right.isfinite()).all()):
        return
    finite = torch.where(value.isfinite(), value.to(right), right)
    if not _is_right_at_kinks(truth, quantity, finite, lambda: slack):
        trial.faults.append(Fault(quantity, "wrong", ratio=ratio_to_truth(truth, quantity, value)))


def _judge_numbers(trial: Trial, truth: Truth, quantity: Quantity) -> None:
    value = trial.results[quantity]
    ratio = ratio_to_truth(truth, quantity, value)
    if ratio <= limit_of(trial.sample):
        return
    if in_single(truth, quantity, value):
        trial.single = True
    elif not _is_right_at_kinks(truth, quantity, value, lambda: slack_of(truth, quantity)):
        truth.bench.wrong.add(quantity)
        trial.faults.append(Fault(quantity, "wrong", ratio=ratio))


def _is_right_at_kinks(
    truth: Truth, quantity: Quantity, value: Tensor, slack: Callable[[], Tensor]
) -> bool:
    return quantity.kind == "gradient" and is_subgradient(truth, quantity, value, slack)
