"""One sample run by the function under test: its results, and which of them are wrong."""

from torch import Tensor

from handgrad.checker.functions.inputs.values import is_floating
from handgrad.checker.functions.runs.again import backward_again, call_again
from handgrad.checker.functions.runs.bench import Bench, Quantity, doubles
from handgrad.checker.functions.runs.calls import FunctionCall
from handgrad.checker.functions.runs.faults import Fault, FaultKind, Key, Trial, TrialStatus, key_of
from handgrad.checker.functions.runs.judge import judge
from handgrad.checker.functions.runs.norms import find_imprecise
from handgrad.checker.functions.runs.refusals import (
    DTYPE_WORDS,
    LAYOUT_WORDS,
    error_line,
    refuses,
    refuses_in,
)
from handgrad.checker.functions.runs.truth import Truth, second_quantities, truth_of
from handgrad.checker.functions.samples.memory import twin
from handgrad.checker.functions.samples.sample import CheckSample
from handgrad.checker.passes.compare import same_bits
from handgrad.errors import CheckError

__all__ = ["Fault", "FaultKind", "Key", "Trial", "TrialStatus", "key_of", "run"]

SMALL = 2**14
"""Inputs and outputs of more elements are not run again: what a second call shows, it shows for
small ones."""


def run(bench: Bench, sample: CheckSample) -> Trial:
    """Run one sample. Raises CheckError if function and reference cannot be compared."""
    trial = _run(bench, sample)
    raised = next((fault for fault in trial.faults if fault.kind == "raised"), None)
    if raised is None or trial.truth is None:
        return trial
    if _lacks_features(trial.truth, raised.phase.startswith("backward")):
        trial.status, trial.reason = "void", raised.detail
    return trial


def _run(bench: Bench, sample: CheckSample) -> Trial:
    trial = Trial(sample)
    truth = _reference(bench, sample, trial)
    if truth is None:
        return trial
    trial.truth = truth
    trial.call = call = _forward(trial, truth)
    if call is None:
        return trial
    _compare_outputs(trial, truth, call)
    outputs = [i for i in truth.outputs if call.outputs[i].shape == truth.call.outputs[i].shape]
    _find_detached(trial, truth, call, outputs)
    outputs = [i for i in outputs if call.outputs[i].requires_grad]
    if outputs != list(truth.outputs):
        truth.differentiate(outputs)  # those that both can differentiate
    trial.outputs = len(outputs)
    again = not sample.zeros and not sample.ties
    again = again and (_size(truth) <= SMALL or bool(trial.faults))
    if outputs and _backward(trial, truth, call, again) and truth.second:
        _second(trial, truth, call)
    if again:
        call_again(trial, truth)
    find_imprecise(trial, truth)
    return trial


def _lacks_features(truth: Truth, in_backward: bool) -> bool:
    """Return whether there is nothing to compute, because the last dimension is empty.

    A batch may be empty, and a sequence; rows without columns occur nowhere.
    """
    rows = next((v for v in truth.values if is_floating(v) and v.dim() > 1), None)
    if rows is None or rows.shape[-1] or not rows.shape[:-1].numel():
        return False
    results = truth.results.items()
    return not any(value.numel() for q, value in results if not in_backward or q.kind != "output")


def _size(truth: Truth) -> int:
    """Return the number of elements of the largest input or output."""
    tensors = (*truth.values, *truth.call.outputs)
    return max((t.numel() for t in tensors if isinstance(t, Tensor)), default=0)


def _reference(bench: Bench, sample: CheckSample, trial: Trial) -> Truth | None:
    try:
        return truth_of(bench, sample)
    except CheckError:
        raise
    except Exception as error:
        trial.status, trial.reason = "void", error_line(error)
        return None


def _forward(trial: Trial, truth: Truth) -> FunctionCall | None:
    try:
        call = truth.bench.run_function(truth.values, truth.wanted)
    except Exception as error:
        _raised_in_forward(trial, error)
        return None
    if len(call.outputs) != len(truth.call.outputs):
        raise CheckError(
            f"the function returns {call.structure}, the reference {truth.call.structure}: "
            f"both must return the same"
        )
    trial.in_place = tuple(truth.bench.inputs.names[i] for i in call.in_place)
    _check_inputs_unchanged(trial, truth, call, "forward")
    return call


def _raised_in_forward(trial: Trial, error: Exception) -> None:
    """Classify an error: a deliberate refusal of a dtype, a size or a layout, or a crash."""
    uneven = trial.sample.layout != "contiguous"
    if trial.sample.apart or refuses(error) or (uneven and refuses_in(LAYOUT_WORDS, error)):
        trial.status = "unsupported" if refuses_in(DTYPE_WORDS, error) else "refused"
        trial.reason = error_line(error)
    else:
        trial.crash(error, "forward")


def _compare_outputs(trial: Trial, truth: Truth, call: FunctionCall) -> None:
    for i, value in enumerate(call.outputs):
        quantity, right = Quantity("output", i), truth.call.outputs[i]
        trial.results[quantity] = value.detach().clone()
        if value.shape != right.shape:
            detail = f"{tuple(value.shape)}, expected {tuple(right.shape)}"
            trial.faults.append(Fault(quantity, "shape", detail))
        elif trial.sample.ties:
            pass  # a step may go to either side
        elif right.is_floating_point() or trial.sample.dtype in ("float64", "float32"):
            judge(trial, truth, quantity)  # in half precision ties may change indices


def _find_detached(trial: Trial, truth: Truth, call: FunctionCall, outputs: list[int]) -> None:
    """Add a fault for each output without a gradient through which the reference has one."""
    for i in outputs:
        if call.outputs[i].requires_grad:
            continue
        upstream = doubles([truth.upstream[truth.outputs.index(i)]])
        gradients = truth.call.gradients([i], upstream)
        if any(g is not None and bool((g != 0).any()) for g in gradients):
            trial.faults.append(Fault(Quantity("output", i), "detached"))


def _backward(trial: Trial, truth: Truth, call: FunctionCall, again: bool) -> bool:
    upstream = [twin(u.detach()) for u in truth.upstream]
    try:
        gradients = call.gradients(truth.outputs, upstream)
    except Exception as error:
        trial.crash(error, "backward")
        return False
    first = [None if g is None else g.detach().clone() for g in gradients]
    _check_inputs_unchanged(trial, truth, call, "backward")
    if not all(map(same_bits, upstream, truth.upstream)):
        trial.faults.append(Fault(Quantity("run"), "changed", "the upstream gradient"))
    for i, gradient in zip(truth.wanted, first, strict=True):
        quantity = Quantity("gradient", i)
        if gradient is not None:
            trial.results[quantity] = gradient
            judge(trial, truth, quantity)
        elif bool((truth.results[quantity] != 0).any()):
            trial.faults.append(Fault(quantity, "missing"))
    return not again or backward_again(trial, truth, call, first)


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
        trial.results[quantity] = right * 0 if gradient is None else gradient.detach()
        judge(trial, truth, quantity)


def _check_inputs_unchanged(trial: Trial, truth: Truth, call: FunctionCall, phase: str) -> None:
    """Add a fault for each input that was written to, other than in place as declared."""
    reported = {fault.detail for fault in trial.faults if fault.kind == "changed"}
    reported |= set(trial.in_place)
    entered = zip(truth.bench.inputs.names, call.entered, truth.values, strict=True)
    for name, value, before in entered:
        if not isinstance(before, Tensor) or name in reported:
            continue
        if not same_bits(value.detach(), before):
            trial.faults.append(Fault(Quantity("run"), "changed", name, phase))
