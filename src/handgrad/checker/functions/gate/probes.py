"""What a plain grid of samples does not show: results that depend on earlier calls.

twins    the same sizes with other numbers, and with the same numbers in another order
late     hundreds of calls of one size: a candidate may count its calls
fresh    other samples in new processes: a candidate may behave only after a while
repeats  does a call on numbers that were seen before do less?
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.functions.gate.conditioning import label_of
from handgrad.checker.functions.gate.process import Candidate
from handgrad.checker.functions.inputs.values import as_text, is_floating
from handgrad.checker.functions.report.records import Failure
from handgrad.checker.functions.runs.bench import Bench, Quantity
from handgrad.checker.functions.runs.explore import Explored
from handgrad.checker.functions.runs.ratio import limit_of, ratio_to_truth
from handgrad.checker.functions.runs.trial import Trial, run
from handgrad.checker.functions.runs.truth import Results, Truth
from handgrad.checker.functions.samples.sample import CheckSample
from handgrad.checker.passes.compare import same_bits

LATE = (250, 500)
"""How many calls of one size are made, at least and at most."""
SECONDS = 6.0
"""For the repeated calls of a slow candidate."""


@dataclass(frozen=True)
class Probed:
    """A result that depends on what happened before: the sample, and what is wrong."""

    trial: Trial
    quantity: str
    error: str
    message: str


def probe(bench: Bench, explored: Explored, candidate: Candidate, random: Random) -> list[Probed]:
    """Return what the probes find. The base sample has passed."""
    base = replace(explored.base, draw=random.randrange(10**6, 2 * 10**6))
    found = list(_twins(bench, base)) or list(_late(bench, base, random))
    if not found:
        found += _fresh(bench, explored, candidate, random)
    return found


def _twins(bench: Bench, base: CheckSample) -> Iterator[Probed]:
    """Call with other numbers, and with the same in another order: sum, ends and address stay."""
    inputs = replace(
        bench.inputs,
        draw=lambda sizes, seed: tuple(_reordered(v) for v in bench.inputs.draw(sizes, seed)),
    )
    twin = replace(bench, inputs=inputs)
    for one, sample in ((bench, base), (twin, base), (bench, replace(base, draw=base.draw + 1))):
        trial = run(one, sample)
        if trial.faults and trial.status == "judged":
            yield Probed(
                trial, *_first_fault(trial),
                "The same sizes with other numbers fail after earlier calls: the result is one of "
                "an earlier call, kept by its sizes, its address or its sum.",
            )  # fmt: skip
            return


def _reordered(value: Any) -> Any:
    if not is_floating(value) or value.numel() < 4:
        return value
    flat = value.contiguous().flatten().clone()
    flat[1:-1] = flat[1:-1].flip(0)
    return flat.reshape(value.shape)


def _late(bench: Bench, base: CheckSample, random: Random) -> Iterator[Probed]:
    """Make calls on a few sets of numbers many times; the results must stay right."""
    trials = [run(bench, replace(base, draw=base.draw + 2 + i)) for i in range(3)]
    truths = [trial.truth for trial in trials if trial.truth is not None and not trial.faults]
    first: dict[int, Results] = {}
    end = time.monotonic() + SECONDS
    for number in range(random.randint(*LATE)):
        which = random.randrange(len(trials))
        if time.monotonic() > end or len(truths) < len(trials):
            return
        truth, trial = truths[which], trials[which]
        results = results_of(bench, truth)
        before = first.setdefault(which, results)
        for quantity, value in results.items():
            same = quantity in before and same_bits(value, before[quantity])
            if (same and before is not results) or quantity not in truth.results:
                continue
            if ratio_to_truth(truth, quantity, value) > limit_of(trial.sample):
                yield Probed(
                    trial, label_of(truth, quantity),
                    f"is right at first, and wrong after {number + 1} more calls of these sizes",
                    "The result depends on how often the function was called, or on the call "
                    "before.",
                )  # fmt: skip
                return


def _fresh(
    bench: Bench, explored: Explored, candidate: Candidate, random: Random
) -> Iterator[Probed]:
    """Run samples in new processes, in which they are the first."""
    passed = [t.sample for t in explored.judged() if not t.faults]
    for _ in range(2):
        candidate.stop()
        for sample in random.sample(passed, min(3, len(passed))):
            other = replace(sample, draw=random.randrange(2 * 10**6, 3 * 10**6))
            trial = run(bench, other)
            if trial.status == "judged" and trial.faults:
                what, error = _first_fault(trial)
                yield Probed(
                    trial, what, error,
                    "The same circumstances pass after other calls and fail in a new process: the "
                    "result depends on what was called before.",
                )  # fmt: skip
                return


def repeats(bench: Bench, base: CheckSample, candidate: Candidate) -> list[str]:
    """Return what the candidate no longer calls for numbers that it has seen before."""
    truths = []
    for draw in range(3):
        truths.append(run(bench, replace(base, draw=7 * 10**6 + draw)).truth)
        if truths[-1] is None:
            return []
    work: list[Counter[str]] = []
    _, a, b = truths
    for truth in (a, b, a, b):
        candidate.ask("forward", {"do": "work"})
        assert truth is not None
        with torch.no_grad():
            changed = [_fresh_numbers(v, len(work) % 2) for v in truth.values]
        results_of(bench, truth, changed)
        work.append(Counter(candidate.ask("forward", {"do": "work"})[0]["work"]))
    missing = [work[0] - work[2], work[1] - work[3]]
    if missing[0] != missing[1] or not missing[0]:
        return []
    return sorted(missing[0], key=lambda name: -missing[0][name])


def _fresh_numbers(value: Any, which: int) -> Any:
    """Return numbers that no earlier call has seen: slightly smaller ones."""
    return value * (1 - 2.0 ** -(3 + which)) if is_floating(value) else value


def results_of(bench: Bench, truth: Truth, values: Any = None) -> Results:
    """Call the candidate once; return its outputs and gradients."""
    call = bench.run_function(truth.values if values is None else values, truth.wanted)
    results = {Quantity("output", i): o.detach() for i, o in enumerate(call.outputs)}
    if truth.outputs:
        gradients = call.gradients(truth.outputs, truth.upstream)
        pairs = zip(truth.wanted, gradients, strict=True)
        results |= {Quantity("gradient", i): g for i, g in pairs if g is not None}
    return results


def failure_of(bench: Bench, probed: Probed, again: str) -> Failure:
    """Return what a probe found as a failure."""
    truth = probed.trial.truth
    values = truth.values if truth else ()
    named = zip(bench.inputs.names, values, strict=False)
    return Failure(
        quantities=(probed.quantity,),
        sample=str(probed.trial.sample),
        arrays=tuple(f"{name} {as_text(v)}" for name, v in named if isinstance(v, Tensor)),
        error=probed.error,
        failed="The rest of the grid ran before this call.",
        message=probed.message,
        fix="Compute every result from the inputs of its own call.",
        again=again,
    )


def _first_fault(trial: Trial) -> tuple[str, str]:
    fault = trial.faults[0]
    assert trial.truth is not None
    words = {"wrong": "is wrong", "raised": f"raises {fault.detail}", "missing": "is None"}
    return label_of(trial.truth, fault.quantity), words.get(fault.kind, f"is {fault.kind}")
