"""The function on one sample: what it gave, and what of that is wrong."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from handgrad.checker.functions.bench import (
    Bench,
    Quantity,
    Truth,
    Values,
    doubles,
    limit_of,
    measured,
    measured_in,
    seconds,
)
from handgrad.checker.functions.calls import Call, InDouble
from handgrad.checker.functions.refusals import refuses, refuses_dtype, refuses_layout, told
from handgrad.checker.functions.samples import Sample
from handgrad.checker.passes.compare import LIMITS, same_bits
from handgrad.errors import CheckError

Kind = Literal["wrong", "shape", "missing", "raised", "changed", "again", "unsteady", "infinite"]
Status = Literal["judged", "refused", "unsupported", "void"]
SECOND_SIZE = 4096
"""Inputs of more elements than this are not differentiated a second time: it is slow, and what is
wrong there is wrong in small ones."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong. `said` is an error in a line, or what was written to."""

    quantity: Quantity
    kind: Kind
    ratio: float | None = None
    said: str = ""
    phase: str = ""


@dataclass
class Trial:
    """One sample, run.

    `status`: judged; refused by the function on purpose; its dtype unsupported; or void, where the
    reference itself cannot run it.
    """

    sample: Sample
    status: Status = "judged"
    said: str = ""
    faults: list[Fault] = field(default_factory=list)
    found: Values = field(default_factory=dict)
    """What the function gave."""
    single: bool = False
    """In float64 it is right only to the precision of float32."""
    unlike: bool = False
    """A forward output has another dtype than the reference's."""
    truth: Truth | None = None
    call: Call | None = None


RANDOM = (
    "it draws random numbers, other ones in other dtypes and layouts than float64 and contiguous; "
    "pass the mask as an input"
)


def run(bench: Bench, sample: Sample) -> Trial:
    """Run one sample. Raises CheckError where function and reference cannot be compared."""
    trial = Trial(sample)
    truth = _reference(bench, sample, trial)
    if truth is None:
        return trial
    trial.truth = truth
    call = _forward(bench, truth, trial)
    if call is None:
        return trial
    trial.call = call
    _compare_outputs(trial, truth, call)
    outputs = _asked(truth, call, sample)
    truth.second = truth.second and _size(truth) <= SECOND_SIZE
    if outputs and _backward(trial, truth, call, outputs):
        _second(trial, truth, call)
    if not sample.zeros:
        _steady(bench, trial, truth)
    return trial


def _reference(bench: Bench, sample: Sample, trial: Trial) -> Truth | None:
    try:
        values = bench.values(sample)
        wanted = bench.wanted(sample)
        with InDouble() as mode:
            call = Call(bench.reference, doubles(values), wanted, own=True)
        if call.random and (sample.dtype != "float64" or sample.layout != "contiguous"):
            raise ValueError(RANDOM)
        truth = Truth(bench, sample, values, wanted, call, mode.used)
        if not call.outputs:
            raise CheckError("the reference returns no tensor")
        outputs = [i for i in call.differentiable() if sample.output in (None, i)]
        truth.differentiate(outputs)
    except CheckError:
        raise
    except Exception as error:
        trial.status, trial.said = "void", told(error)
        return None
    return truth


def _forward(bench: Bench, truth: Truth, trial: Trial) -> Call | None:
    try:
        call = Call(bench.function, truth.values, truth.wanted)
    except Exception as error:
        _raised(trial, error, "forward")
        return None
    if len(call.outputs) != len(truth.call.outputs):
        raise CheckError(
            f"the function returns {call.structure}, the reference {truth.call.structure}: "
            f"both must return the same"
        )
    _changed(trial, truth, call, "forward")
    return call


def _raised(trial: Trial, error: Exception, phase: str) -> None:
    """Sort an error: a dtype that is not supported, a refusal on purpose, or a crash."""
    trial.said = told(error)
    uneven = trial.sample.layout != "contiguous"
    if refuses_dtype(error):
        trial.status = "unsupported"
    elif phase == "forward" and (refuses(error) or (uneven and refuses_layout(error))):
        trial.status = "refused"
    else:
        trial.faults.append(Fault(Quantity("run"), "raised", math.inf, trial.said, phase))


def _asked(truth: Truth, call: Call, sample: Sample) -> list[int]:
    """Return the outputs that have a gradient in both; for fewer the truth is found anew."""
    outputs = [i for i in truth.outputs if call.outputs[i].requires_grad]
    fitting = [i for i in outputs if call.outputs[i].shape == truth.call.outputs[i].shape]
    if fitting != list(truth.outputs):
        truth.differentiate(fitting)
    return fitting


def _compare_outputs(trial: Trial, truth: Truth, call: Call) -> None:
    for i, value in enumerate(call.outputs):
        quantity, right = Quantity("output", i), truth.call.outputs[i]
        trial.found[quantity] = value.detach().clone()
        if value.is_floating_point() and value.dtype != getattr(torch, trial.sample.dtype):
            trial.unlike = True
        if value.shape != right.shape:
            said = f"{tuple(value.shape)} where the reference gives {tuple(right.shape)}"
            trial.faults.append(Fault(quantity, "shape", math.inf, said))
        elif right.is_floating_point() or trial.sample.dtype in ("float64", "float32"):
            _judge(trial, truth, quantity)  # indices may differ where rounding makes ties


def _backward(trial: Trial, truth: Truth, call: Call, outputs: Sequence[int]) -> bool:
    upstream = [u.detach() for u in truth.upstream]
    kept = [u.clone() for u in upstream]
    try:
        gradients = call.gradients(outputs, upstream)
    except Exception as error:
        _raised(trial, error, "backward")
        return False
    first = [None if g is None else g.detach().clone() for g in gradients]
    _changed(trial, truth, call, "backward")
    if not all(map(same_bits, upstream, kept)):
        trial.faults.append(Fault(Quantity("run"), "changed", None, "the upstream gradient"))
        upstream = kept
    for i, gradient in zip(truth.wanted, first, strict=True):
        quantity = Quantity("gradient", i)
        if gradient is not None:
            trial.found[quantity] = gradient
            _judge(trial, truth, quantity)
        elif bool((truth.found[quantity] != 0).any()):
            trial.faults.append(Fault(quantity, "missing", math.inf))
    return _again(trial, truth, call, upstream, first)


def _again(
    trial: Trial,
    truth: Truth,
    call: Call,
    upstream: Sequence[Tensor],
    first: Sequence[Tensor | None],
) -> bool:
    """Ask the same graph once more: it must give the same."""
    if trial.sample.zeros:
        return False
    try:
        again = call.gradients(truth.outputs, upstream)
    except Exception as error:
        fault = Fault(Quantity("run"), "raised", math.inf, told(error), "backward again")
        trial.faults.append(fault)
        return False
    wrong = {f.quantity for f in trial.faults}
    for i, one, other in zip(truth.wanted, first, again, strict=True):
        quantity = Quantity("gradient", i)
        if one is None or other is None or quantity in wrong or same_bits(one, other):
            continue
        ratio = measured(truth, quantity, other)
        if ratio > limit_of(trial.sample) and not _in_single(truth, quantity, other):
            trial.faults.append(Fault(quantity, "again", ratio))
    return True


def _second(trial: Trial, truth: Truth, call: Call) -> None:
    """Differentiate the gradients once more, where that was asked for."""
    if not truth.second:
        return
    try:
        gradients = call.twice(truth.outputs, truth.upstream, truth.along)
    except Exception as error:
        if any(bool((t != 0).any()) for q, t in truth.found.items() if q.kind == "second"):
            fault = Fault(Quantity("run"), "raised", math.inf, told(error), "double backward")
            trial.faults.append(fault)
        return
    for quantity, gradient in zip(seconds(truth.wanted, truth.outputs), gradients, strict=True):
        right = truth.found[quantity]
        trial.found[quantity] = torch.zeros_like(right) if gradient is None else gradient.detach()
        _judge(trial, truth, quantity)


def _steady(bench: Bench, trial: Trial, truth: Truth) -> None:
    """Call it all once more on the same numbers: what differs, and is wrong, was never written."""
    try:
        call = Call(bench.function, truth.values, truth.wanted)
        found = [t.detach().clone() for t in call.outputs]
        names = [Quantity("output", i) for i in range(len(found))]
        if truth.outputs and not any(f.kind == "raised" for f in trial.faults):
            gradients = call.gradients(truth.outputs, truth.upstream)
            found += [g for g in gradients if g is not None]
            names += [Quantity("gradient", i) for i, g in zip(truth.wanted, gradients, strict=True)
                      if g is not None]  # fmt: skip
    except Exception as error:
        fault = Fault(Quantity("run"), "raised", math.inf, told(error), "second call")
        trial.faults += [] if any(f.kind == "raised" for f in trial.faults) else [fault]
        return
    for quantity, value in zip(names, found, strict=True):
        one = trial.found.get(quantity)
        if one is None or one.shape != value.shape or same_bits(one, value):
            continue
        wrong = measured(truth, quantity, value) > limit_of(trial.sample)
        if wrong or any(f.quantity == quantity for f in trial.faults):
            trial.faults.append(Fault(quantity, "unsteady", math.inf))


def _judge(trial: Trial, truth: Truth, quantity: Quantity) -> None:
    value, right = trial.found[quantity], truth.found[quantity]
    if trial.sample.zeros:  # kinks lie at 0, where another subgradient is as right
        if not bool(value.isfinite().all()) and bool(right[~value.isfinite()].isfinite().any()):
            trial.faults.append(Fault(quantity, "infinite", math.inf))
        return
    ratio = measured(truth, quantity, value)
    if ratio <= limit_of(trial.sample):
        return
    if _in_single(truth, quantity, value):
        trial.single = True
    else:
        truth.bench.wrong.add(quantity)
        trial.faults.append(Fault(quantity, "wrong", ratio))


def _in_single(truth: Truth, quantity: Quantity, value: Tensor) -> bool:
    """Tell whether a float64 result is what float32 arithmetic gives: kernels sum in it."""
    if truth.sample.dtype != "float64" or not value.is_floating_point():
        return False
    return measured_in(truth, quantity, value, torch.float32) <= LIMITS[torch.float32]


def _changed(trial: Trial, truth: Truth, call: Call, phase: str) -> None:
    for name, own, given in zip(truth.bench.inputs.names, call.leaves, truth.values, strict=True):
        if not isinstance(given, Tensor) or _said(trial, name):
            continue
        if not _alike(own.detach(), given):
            trial.faults.append(Fault(Quantity("run"), "changed", None, f"{name}", phase))


def _said(trial: Trial, name: str) -> bool:
    return any(f.kind == "changed" and f.said == name for f in trial.faults)


def _alike(a: Tensor, b: Tensor) -> bool:
    return same_bits(a, b) if a.is_floating_point() else torch.equal(a, b)


def _size(truth: Truth) -> int:
    return max((v.numel() for v in truth.values if isinstance(v, Tensor)), default=0)
