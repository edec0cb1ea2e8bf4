"""A function called again: backward twice, two calls on the same numbers, two calls in flight."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from torch import Tensor

from handgrad.checker.functions.runs.bench import Quantity
from handgrad.checker.functions.runs.calls import FunctionCall
from handgrad.checker.functions.runs.faults import Fault, FaultKind, Trial
from handgrad.checker.functions.runs.judge import in_single
from handgrad.checker.functions.runs.ratio import limit_of, ratio_to_truth
from handgrad.checker.functions.runs.truth import Results, Truth
from handgrad.checker.functions.samples.memory import twin
from handgrad.checker.functions.samples.sample import CheckSample
from handgrad.checker.passes.compare import same_bits

OTHER = 1000
"""Added to the draw of a sample: the numbers of another call."""


def backward_again(
    trial: Trial, truth: Truth, call: FunctionCall, first: Sequence[Tensor | None]
) -> bool:
    """Differentiate the same graph once more: the gradients must be the same."""
    try:
        second = call.gradients(truth.outputs, _upstream(truth))
    except Exception as error:
        trial.crash(error, "backward again")
        return False
    wrong = {fault.quantity for fault in trial.faults}
    for i, before, after in zip(truth.wanted, first, second, strict=True):
        quantity = Quantity("gradient", i)
        if before is None or after is None or quantity in wrong or same_bits(before, after):
            continue
        ratio = ratio_to_truth(truth, quantity, after)
        if ratio > limit_of(trial.sample) and not in_single(truth, quantity, after):
            trial.faults.append(Fault(quantity, "again", ratio=ratio))
    return True


def call_again(trial: Trial, truth: Truth) -> None:
    """Call the function again on the same numbers, and meanwhile on others.

    A result that differs was not written. If it only differs while another call is in flight, the
    calls share memory.
    """
    crashed = trial.crashed()
    try:
        first = _Call(truth, not crashed, in_flight=_is_plain(trial.sample))
        changed = _changed(trial, truth, first.results)
        unsteady = _changed(trial, truth, _Call(truth, not crashed).results) if changed else []
    except Exception as error:
        if not crashed:
            trial.crash(error, "second call")
        return
    for quantity in changed:
        kind: FaultKind = "unsteady" if quantity in unsteady or not first.flew else "mixed"
        trial.faults.append(Fault(quantity, kind))
    for quantity in first.overwritten:
        if quantity not in changed:
            trial.faults.append(Fault(quantity, "overwritten"))


def _is_plain(sample: CheckSample) -> bool:
    return sample.layout in ("contiguous", "given") and sample.upstream == "random"


def _upstream(truth: Truth) -> list[Tensor]:
    """Return copies of the upstream gradients: backward may write to them."""
    return [twin(u.detach()) for u in truth.upstream]


class _Call:
    """One more call: `results`, and which of them a later call overwrites.

    `in_flight`: another call, on other numbers, begins and ends before this one has ended.
    """

    def __init__(self, truth: Truth, differentiable: bool, in_flight: bool = False) -> None:
        self.truth = truth
        self.results: Results = {}
        self.overwritten: list[Quantity] = []
        call = truth.bench.run_function(truth.values, truth.wanted)
        outputs = {Quantity("output", i): t.detach() for i, t in enumerate(call.outputs)}
        self._keep(outputs)
        other = self._other() if in_flight else None
        self.flew = other is not None
        self._compare(outputs)
        if not truth.outputs or not differentiable:
            return
        gradients = zip(truth.wanted, call.gradients(truth.outputs, _upstream(truth)), strict=True)
        given = {Quantity("gradient", i): g.detach() for i, g in gradients if g is not None}
        self._keep(given)
        if other is not None:
            with suppress(Exception):
                other.gradients(truth.outputs, _upstream(truth))
            self._compare(given)

    def _other(self) -> FunctionCall | None:
        sample = self.truth.sample
        with suppress(Exception):
            values = self.truth.bench.values(replace(sample, draw=sample.draw + OTHER))
            return self.truth.bench.run_function(values, self.truth.wanted)
        return None

    def _keep(self, results: Results) -> None:
        self.results |= {quantity: value.clone() for quantity, value in results.items()}

    def _compare(self, results: Results) -> None:
        for quantity, value in results.items():
            if not same_bits(value, self.results[quantity]):
                self.overwritten.append(quantity)


def _changed(trial: Trial, truth: Truth, results: Results) -> list[Quantity]:
    """Return the results that differ from those of the first call, and are wrong."""
    changed = []
    for quantity, value in results.items():
        before = trial.results.get(quantity)
        if before is None or before.shape != value.shape or same_bits(before, value):
            continue
        wrong = ratio_to_truth(truth, quantity, value) > limit_of(trial.sample)
        if wrong or any(fault.quantity == quantity for fault in trial.faults):
            changed.append(quantity)
    return changed
