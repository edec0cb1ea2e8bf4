"""One sample run by the function under test: its results, and which of them are wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from handgrad.checker.functions.runs.bench import Bench, Quantity, doubles
from handgrad.checker.functions.runs.calls import FunctionCall, InDouble
from handgrad.checker.functions.runs.ratio import limit_of, ratio_in_dtype, ratio_to_truth
from handgrad.checker.functions.runs.refusals import (
    DTYPE_WORDS,
    LAYOUT_WORDS,
    error_line,
    refuses,
    refuses_in,
)
from handgrad.checker.functions.runs.truth import Results, Truth, second_quantities
from handgrad.checker.functions.samples.sample import CheckSample
from handgrad.checker.passes.compare import LIMITS, same_bits
from handgrad.errors import CheckError

FaultKind = Literal[
    "wrong", "shape", "missing", "raised", "changed", "again", "unsteady", "infinite"
]
TrialStatus = Literal["judged", "refused", "unsupported", "void"]


@dataclass(frozen=True)
class Fault:
    """One failure of a sample. `detail` is the error that was raised, or what was written to."""

    quantity: Quantity
    kind: FaultKind
    detail: str = ""
    phase: str = ""
    ratio: float | None = None
    """R of a wrong result."""


Key = tuple[FaultKind, Quantity, str]
"""What two samples have in common that fail in the same way: kind, quantity, phase."""


@dataclass
class Trial:
    """One sample, run.

    `status`: judged; refused by the function on purpose; in an unsupported dtype; or void, where
    the reference cannot run. `reason` is the error behind the last three.
    """

    sample: CheckSample
    status: TrialStatus = "judged"
    reason: str = ""
    faults: list[Fault] = field(default_factory=list)
    results: Results = field(default_factory=dict)
    """What the function returned."""
    outputs: int = 0
    """How many outputs had an upstream gradient."""
    single: bool = False
    """In float64 the results have only the precision of float32."""
    truth: Truth | None = None
    call: FunctionCall | None = None

    def forget(self) -> "Trial":
        """Return the trial without its tensors."""
        return replace(self, truth=None, call=None, results={})

    def crash(self, error: Exception, phase: str) -> None:
        """Add the fault of a call that raised."""
        self.faults.append(Fault(Quantity("run"), "raised", error_line(error), phase))

    def has(self, key: Key) -> bool:
        """Return whether the sample fails in this way."""
        return self.status == "judged" and any(key_of(fault) == key for fault in self.faults)


def key_of(fault: Fault) -> Key:
    """Return what a fault has in common with the same fault of another sample."""
    return fault.kind, fault.quantity, fault.phase


RANDOM = (
    "it draws random numbers, which differ between dtypes and layouts (only float64 contiguous is "
    "compared); pass the mask as an input"
)


def run(bench: Bench, sample: CheckSample) -> Trial:
    """Run one sample. Raises CheckError if function and reference cannot be compared."""
    trial = Trial(sample)
    truth = _reference(bench, sample, trial)
    if truth is None:
        return trial
    trial.truth = truth
    trial.call = call = _forward(trial, truth)
    if call is None:
        return trial
    _compare_outputs(trial, truth, call)
    outputs = [i for i in truth.outputs if call.outputs[i].requires_grad]
    outputs = [i for i in outputs if call.outputs[i].shape == truth.call.outputs[i].shape]
    if outputs != list(truth.outputs):
        truth.differentiate(outputs)  # those that both can differentiate
    trial.outputs = len(outputs)
    if outputs and _backward(trial, truth, call) and truth.second:
        _second(trial, truth, call)
    if not sample.zeros:
        _repeat(trial, truth)
    return trial


def _reference(bench: Bench, sample: CheckSample, trial: Trial) -> Truth | None:
    try:
        values, wanted = bench.values(sample), bench.wanted(sample)
        with InDouble() as mode:
            call = bench.run_reference(doubles(values), wanted)
        if call.random and (sample.dtype != "float64" or sample.layout != "contiguous"):
            raise ValueError(RANDOM)
        truth = Truth(bench, sample, values, wanted, call, mode.used)
        if not call.outputs:
            raise CheckError("the reference returns no tensor")
        truth.differentiate([i for i in call.differentiable() if sample.output in (None, i)])
    except CheckError:
        raise
    except Exception as error:
        trial.status, trial.reason = "void", error_line(error)
        return None
    return truth


def _forward(trial: Trial, truth: Truth) -> FunctionCall | None:
    try:
        call = truth.bench.run_function(truth.values, truth.wanted)
    except Exception as error:
        _raised(trial, error, "forward")
        return None
    if len(call.outputs) != len(truth.call.outputs):
        raise CheckError(
            f"the function returns {call.structure}, the reference {truth.call.structure}: "
            f"both must return the same"
        )
    _check_inputs_unchanged(trial, truth, call, "forward")
    return call


def _raised(trial: Trial, error: Exception, phase: str) -> None:
    """Classify an error: an unsupported dtype, a deliberate refusal, or a crash."""
    trial.reason = error_line(error)
    uneven = trial.sample.layout != "contiguous"
    if refuses_in(DTYPE_WORDS, error):
        trial.status = "unsupported"
    elif phase == "forward" and (refuses(error) or (uneven and refuses_in(LAYOUT_WORDS, error))):
        trial.status = "refused"
    else:
        trial.crash(error, phase)


def _compare_outputs(trial: Trial, truth: Truth, call: FunctionCall) -> None:
    for i, value in enumerate(call.outputs):
        quantity, right = Quantity("output", i), truth.call.outputs[i]
        trial.results[quantity] = value.detach().clone()
        if value.shape != right.shape:
            detail = f"{tuple(value.shape)}, expected {tuple(right.shape)}"
            trial.faults.append(Fault(quantity, "shape", detail))
        elif right.is_floating_point() or trial.sample.dtype in ("float64", "float32"):
            _judge(trial, truth, quantity)  # in half precision ties may change indices


def _backward(trial: Trial, truth: Truth, call: FunctionCall) -> bool:
    upstream = [u.detach() for u in truth.upstream]
    originals = [u.clone() for u in upstream]
    try:
        gradients = call.gradients(truth.outputs, upstream)
    except Exception as error:
        _raised(trial, error, "backward")
        return False
    first = [None if g is None else g.detach().clone() for g in gradients]
    _check_inputs_unchanged(trial, truth, call, "backward")
    if not all(map(same_bits, upstream, originals)):
        trial.faults.append(Fault(Quantity("run"), "changed", "the upstream gradient"))
        upstream = originals
    for i, gradient in zip(truth.wanted, first, strict=True):
        quantity = Quantity("gradient", i)
        if gradient is not None:
            trial.results[quantity] = gradient
            _judge(trial, truth, quantity)
        elif bool((truth.results[quantity] != 0).any()):
            trial.faults.append(Fault(quantity, "missing"))
    return _backward_again(trial, truth, call, upstream, first)


def _backward_again(
    trial: Trial,
    truth: Truth,
    call: FunctionCall,
    upstream: Sequence[Tensor],
    first: Sequence[Tensor | None],
) -> bool:
    """Differentiate the same graph once more: the gradients must be the same."""
    if trial.sample.zeros:
        return False
    try:
        second = call.gradients(truth.outputs, upstream)
    except Exception as error:
        trial.crash(error, "backward again")
        return False
    wrong = {fault.quantity for fault in trial.faults}
    for i, before, after in zip(truth.wanted, first, second, strict=True):
        quantity = Quantity("gradient", i)
        if before is None or after is None or quantity in wrong or same_bits(before, after):
            continue
        ratio = ratio_to_truth(truth, quantity, after)
        if ratio > limit_of(trial.sample) and not _in_single(truth, quantity, after):
            trial.faults.append(Fault(quantity, "again", ratio=ratio))
    return True


def _second(trial: Trial, truth: Truth, call: FunctionCall) -> None:
    try:
        gradients = call.second_gradients(truth.outputs, truth.upstream, truth.along)
    except Exception as error:
        if any(bool((t != 0).any()) for q, t in truth.results.items() if q.kind == "second"):
            trial.crash(error, "double backward")
        return
    quantities = second_quantities(truth.wanted, truth.outputs)
    for quantity, gradient in zip(quantities, gradients, strict=True):
        right = truth.results[quantity]
        trial.results[quantity] = torch.zeros_like(right) if gradient is None else gradient.detach()
        _judge(trial, truth, quantity)


def _repeat(trial: Trial, truth: Truth) -> None:
    """Call the function again on the same numbers: a wrong result that differs was not written."""
    raised = any(fault.kind == "raised" for fault in trial.faults)
    try:
        call = truth.bench.run_function(truth.values, truth.wanted)
        results = {Quantity("output", i): t.detach().clone() for i, t in enumerate(call.outputs)}
        if truth.outputs and not raised:
            gradients = call.gradients(truth.outputs, truth.upstream)
            for i, gradient in zip(truth.wanted, gradients, strict=True):
                if gradient is not None:
                    results[Quantity("gradient", i)] = gradient
    except Exception as error:
        if not raised:
            trial.crash(error, "second call")
        return
    for quantity, value in results.items():
        before = trial.results.get(quantity)
        if before is None or before.shape != value.shape or same_bits(before, value):
            continue
        wrong = ratio_to_truth(truth, quantity, value) > limit_of(trial.sample)
        if wrong or any(fault.quantity == quantity for fault in trial.faults):
            trial.faults.append(Fault(quantity, "unsteady"))


def _judge(trial: Trial, truth: Truth, quantity: Quantity) -> None:
    value, right = trial.results[quantity], truth.results[quantity]
    if trial.sample.zeros:  # 0 is often a kink, where other subgradients are right too
        if not bool(value.isfinite().all()) and bool(right[~value.isfinite()].isfinite().any()):
            trial.faults.append(Fault(quantity, "infinite"))
        return
    ratio = ratio_to_truth(truth, quantity, value)
    if ratio <= limit_of(trial.sample):
        return
    if _in_single(truth, quantity, value):
        trial.single = True
    else:
        truth.bench.wrong.add(quantity)
        trial.faults.append(Fault(quantity, "wrong", ratio=ratio))


def _in_single(truth: Truth, quantity: Quantity, value: Tensor) -> bool:
    """Return whether a float64 result has the precision of float32: kernels accumulate in it."""
    if truth.sample.dtype != "float64" or not value.is_floating_point():
        return False
    return ratio_in_dtype(truth, quantity, value, torch.float32) <= LIMITS[torch.float32]


def _check_inputs_unchanged(trial: Trial, truth: Truth, call: FunctionCall, phase: str) -> None:
    reported = {fault.detail for fault in trial.faults if fault.kind == "changed"}
    for name, leaf, value in zip(truth.bench.inputs.names, call.leaves, truth.values, strict=True):
        if not isinstance(value, Tensor) or name in reported:
            continue
        if not same_bits(leaf.detach(), value):
            trial.faults.append(Fault(Quantity("run"), "changed", name, phase))
