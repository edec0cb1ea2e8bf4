"""A check without a reference: the gradients against numeric derivatives of the forward itself.

In float64, on every sample of the grid, along random directions v: <u, f(x + hv) - f(x - hv)> / 2h
against <gradient, v>, for each input alone. Where the inputs are small, also element by element.
The step h is halved until the extrapolated derivative is steady (Ridders 1982), and the change of
the last steps is the error of the numeric derivative: there is no step and no tolerance to choose.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.functions.inputs.isolation import isolated
from handgrad.checker.functions.inputs.values import as_text
from handgrad.checker.functions.report.patterns import pattern
from handgrad.checker.functions.report.records import Failure
from handgrad.checker.functions.report.report import FunctionReport
from handgrad.checker.functions.ridders import derivative
from handgrad.checker.functions.runs.bench import Bench
from handgrad.checker.functions.runs.calls import FunctionCall
from handgrad.checker.functions.runs.refusals import error_line, refuses
from handgrad.checker.functions.samples import memory
from handgrad.checker.functions.samples.grid import SIZES, bases, grid
from handgrad.checker.functions.samples.sample import CheckSample
from handgrad.checker.passes.compare import same_bits
from handgrad.errors import CheckError

FULL, LARGEST = 48, 2**13
"""Inputs of up to FULL elements are checked element by element; samples with an input of more than
LARGEST elements are left out."""
SLACK = 30.0
"""A gradient is wrong if it is off by more than SLACK times the error of the numeric one."""
EPS = {"float64": 1e-10, "float32": 1e-3}
"""Relative errors below which nothing is called wrong: rounding of the forward."""


@dataclass
class NumericTrial:
    """One sample. `faults`: what is wrong, and the error in words."""

    sample: CheckSample
    faults: dict[str, str] = field(default_factory=dict)
    values: tuple[Any, ...] = ()
    steady: bool = True
    refused: str = ""


def check_alone(
    bench: Bench,
    name: str,
    rerun: Callable[[CheckSample], str],
    sizes: Mapping[str, Sequence[int]],
    sample: CheckSample | None,
) -> FunctionReport:
    """Check a function by itself. Raises CheckError if it cannot be called or differentiated."""
    with isolated():
        base = sample or _base(bench, sizes)
        samples = [sample] if sample else _samples(bench, base, sizes)
        trials = [_run(bench, one) for one in samples]
    ran = [t for t in trials if not t.refused]
    failures = list(_failures(bench, ran, rerun))
    if failures:
        from handgrad.checker.functions.own import with_causes  # the whole checker: 0.4 s

        samples_by_text = {str(t.sample): t.sample for t in ran}
        failures = with_causes(bench, failures, samples_by_text, _is_right)
    refused = [t for t in trials if t.refused]
    notes = ["There is no reference: the forward itself is taken as right."]
    if refused:
        notes.append(f"{len(refused)} of {len(trials)} samples were refused: {refused[0].refused}")
    if not all(t.steady for t in ran):
        notes.append("Two calls on the same numbers differ in their last bits.")
    tried = [t.sample.size_of for t in ran]
    letters = tuple((k, tuple(sorted({t[k] for t in tried}))) for k in bench.inputs.letters)
    return FunctionReport(name, tuple(failures), len(ran), (base.dtype,), tuple(notes), letters)


def _base(bench: Bench, sizes: Mapping[str, Sequence[int]]) -> CheckSample:
    """Return the first sizes and dtype that work. Raises CheckError if none does."""
    reason = ""
    for start in bases(bench.inputs.letters, bench.inputs.known):
        chosen = {k: sizes[k][0] if k in sizes else n for k, n in start.items()}
        for dtype in EPS:
            sample = CheckSample(tuple(chosen.items()), dtype)
            try:
                call = bench.run_function(bench.values(sample), bench.wanted(sample))
            except Exception as error:
                reason = reason or error_line(error)
                continue
            if not call.differentiable():
                raise CheckError(
                    "the function is not differentiable: no output of it requires a gradient; "
                    "pass MyFunction.apply, or a function that calls it"
                )
            return sample
    raise CheckError(f"the function cannot run on these inputs: {reason}")


def _samples(
    bench: Bench, base: CheckSample, sizes: Mapping[str, Sequence[int]]
) -> list[CheckSample]:
    names = [bench.inputs.names[i] for i in bench.inputs.wrt]
    tried = {k: tuple(sizes.get(k, SIZES)) for k in bench.inputs.letters}
    outputs = len(bench.run_function(bench.values(base), bench.wanted(base)).differentiable())
    found = grid(base, [base.dtype], names, outputs, tried)
    return [s for s in found if not s.zeros and not s.ties and _size(bench, s) <= LARGEST]


def _size(bench: Bench, sample: CheckSample) -> int:
    if not sample.sizes:
        return 0
    try:
        drawn = bench.inputs.draw(sample.size_of, 0)
    except ValueError:  # there is nothing to draw in these sizes
        return LARGEST + 1
    return max((v.numel() for v in drawn if isinstance(v, Tensor)), default=0)


def _run(bench: Bench, sample: CheckSample) -> NumericTrial:
    values, wanted = bench.values(sample), bench.wanted(sample)
    trial = NumericTrial(sample, values=values)
    try:
        call = bench.run_function(values, wanted)
    except Exception as error:
        if refuses(error) or 0 in sample.size_of.values():
            trial.refused = error_line(error)
        else:
            trial.faults["forward"] = f"raises {error_line(error)}"
        return trial
    outputs = [i for i in call.differentiable() if sample.output in (None, i)]
    generator = torch.Generator().manual_seed(sample.seed("upstream"))
    dtype = getattr(torch, sample.dtype)
    upstream = [
        memory.upstream(sample.upstream, call.outputs[i], dtype, generator) for i in outputs
    ]
    try:
        gradients = call.gradients(outputs, upstream) if outputs else ()
        again = bench.run_function(values, wanted).gradients(outputs, upstream) if outputs else ()
    except Exception as error:
        trial.faults["backward"] = f"raises {error_line(error)}"
        return trial
    both = zip(gradients, again, strict=True)
    trial.steady = all(a is None or b is None or same_bits(a, b) for a, b in both)
    _compare(bench, trial, _Scalar(bench, outputs, upstream), gradients, generator)
    if bench.double_backward and not trial.faults and outputs:
        _compare_second(bench, trial, outputs, upstream, generator)
    return trial


def _is_right(bench: Bench, sample: CheckSample) -> bool:
    """Return whether a function's gradients agree with numeric ones."""
    try:
        with isolated():
            trial = _run(bench, sample)
    except Exception:  # its forward cannot run on leaves: it writes to them
        return False
    return not trial.faults and not trial.refused


@dataclass(frozen=True)
class _Scalar:
    """The function as one number: the sum of its outputs times the upstream gradients."""

    bench: Bench
    outputs: Sequence[int]
    upstream: Sequence[Tensor]

    def __call__(self, values: Sequence[Any]) -> Tensor:
        call = FunctionCall(self.bench.function, values, (), threads=self.bench.threads)
        pairs = zip(self.outputs, self.upstream, strict=True)
        return _total([(call.outputs[i].detach(), u) for i, u in pairs])


def _total(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    terms = [(a.double() * b.double()).sum() for a, b in pairs]
    return torch.stack(terms).sum() if terms else torch.zeros((), dtype=torch.float64)


def _compare(
    bench: Bench,
    trial: NumericTrial,
    scalar: Callable[[Sequence[Any]], Tensor],
    gradients: Sequence[Tensor | None],
    generator: torch.Generator,
    label: str = "gradient",
) -> None:
    """Compare the gradient of each input with numeric ones."""
    for i, gradient in zip(bench.wanted(trial.sample), gradients, strict=True):
        value = trial.values[i]
        if not value.numel():
            continue
        given = torch.zeros_like(value) if gradient is None else gradient
        if given.shape != value.shape:
            continue
        error = _wrong(trial, scalar, i, given, generator)
        if error is not None:
            missing = "is None; " if gradient is None else ""
            trial.faults[f"{label} of {bench.inputs.names[i]}"] = missing + error


def _wrong(
    trial: NumericTrial,
    scalar: Callable[[Sequence[Any]], Tensor],
    i: int,
    gradient: Tensor,
    generator: torch.Generator,
) -> str | None:
    value, floor = trial.values[i], EPS[trial.sample.dtype]

    def along(direction: Tensor) -> Callable[[float], float]:
        def at(h: float) -> float:
            moved = [
                v + (h * direction).to(v.dtype) if j == i else v for j, v in enumerate(trial.values)
            ]
            return float(scalar(moved))

        return at

    for _ in range(2):
        direction = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        direction = direction.to(value.device)
        got = float(_total([(gradient, direction)]))
        right, error = derivative(along(direction))
        scale = float((gradient.double() * direction).abs().sum()) + abs(right)
        if not math.isfinite(right) or abs(got - right) <= SLACK * error + floor * scale:
            return None  # right along a random direction is right
    if value.numel() > FULL:
        return f"{got:.4g} along a random direction, expected {right:.4g} (numeric)"
    worst = (0.0, 0, 0.0)
    for k in range(value.numel()):
        unit = torch.zeros(value.numel(), dtype=torch.float64)
        unit[k] = 1
        right, _ = derivative(along(unit.reshape(value.shape).to(value.device)))
        off = abs(float(gradient.flatten()[k]) - right)
        worst = max(worst, (math.inf if math.isnan(off) else off, k, right))
    index = [int(n) for n in torch.unravel_index(torch.tensor(worst[1]), value.shape)]
    where = f" at {index}" if index else ""
    found = float(gradient.flatten()[worst[1]])
    return f"off by up to {worst[0]:.3g}{where}: got {found:.4g}, expected {worst[2]:.4g} (numeric)"


def _compare_second(
    bench: Bench,
    trial: NumericTrial,
    outputs: Sequence[int],
    upstream: Sequence[Tensor],
    generator: torch.Generator,
) -> None:
    """Compare the second gradients with numeric derivatives of the first ones."""
    wanted = bench.wanted(trial.sample)
    along = [
        torch.randn(trial.values[i].shape, generator=generator, dtype=torch.float64).to(
            trial.values[i]
        )
        for i in wanted
    ]

    def scalar(values: Sequence[Any]) -> Tensor:
        first = bench.run_function(values, wanted).gradients(outputs, upstream)
        return _total([(g, v) for g, v in zip(first, along, strict=True) if g is not None])

    try:
        call = bench.run_function(trial.values, wanted)
        second = call.second_gradients(outputs, upstream, along)[: len(wanted)]
    except Exception as error:
        trial.faults["double backward"] = f"raises {error_line(error)}"
        return
    _compare(bench, trial, scalar, second, generator, "second gradient")


def _failures(
    bench: Bench, trials: Sequence[NumericTrial], rerun: Callable[[CheckSample], str]
) -> Iterator[Failure]:
    for quantity in dict.fromkeys(q for trial in trials for q in trial.faults):
        failing = [t for t in trials if quantity in t.faults]
        passing = [t for t in trials if quantity not in t.faults]
        first = failing[0]
        named = zip(bench.inputs.names, first.values, strict=True)
        yield Failure(
            quantities=(quantity,),
            sample=str(first.sample),
            arrays=tuple(f"{name} {as_text(v)}" for name, v in named if isinstance(v, Tensor)),
            error=first.faults[quantity],
            failed=pattern([t.sample for t in failing], [t.sample for t in passing]),
            again=rerun(first.sample),
        )
