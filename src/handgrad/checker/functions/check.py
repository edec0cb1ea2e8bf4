"""`handgrad.check_function`: a hand-written function checked against a plain reference."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from handgrad.checker.functions.beside import check_beside
from handgrad.checker.functions.diagnose import Rerun, diagnose
from handgrad.checker.functions.foreign import is_pair, paired, refuse_foreign
from handgrad.checker.functions.inputs.arguments import arranged, name_of
from handgrad.checker.functions.inputs.complex import DTYPES as WIDE
from handgrad.checker.functions.inputs.complex import returns_complex, through_pairs
from handgrad.checker.functions.inputs.isolation import isolated
from handgrad.checker.functions.inputs.specs import Inputs
from handgrad.checker.functions.numeric import check_alone
from handgrad.checker.functions.report.records import Failure
from handgrad.checker.functions.report.report import FunctionReport
from handgrad.checker.functions.runs.apart import divided
from handgrad.checker.functions.runs.bench import Bench
from handgrad.checker.functions.runs.explore import Explored, explore
from handgrad.checker.functions.runs.trial import Trial, TrialStatus, run
from handgrad.checker.functions.samples.grid import Grid, grid, without_gradients
from handgrad.checker.functions.samples.sample import DTYPES, CheckSample, parse
from handgrad.errors import CheckError
from handgrad.text import listed


def check_function(
    function: Callable[..., Any],
    reference: Callable[..., Any] | None,
    inputs: Any,
    *,
    kwargs: Mapping[str, Any] | None = None,
    dims: Any = None,
    fixed: str | Sequence[str] = (),
    sizes: Mapping[str, Sequence[int]] | None = None,
    wrt: Sequence[str] | None = None,
    dtypes: Sequence[Any] = DTYPES,
    double_backward: bool = False,
    sample: str | None = None,
    seed: int = 0,
    forward_only: bool = False,
) -> FunctionReport:
    """Check the values and gradients of `function` against `reference` over a grid of samples.

        report = handgrad.check_function(
            MyLayerNorm.apply,
            lambda x, weight, bias: F.layer_norm(x, x.shape[-1:], weight, bias),
            {"x": "B T C", "weight": "C", "bias": "C"},
        )
        assert report.ok, report

    `function` is anything that autograd can differentiate: the apply of an autograd.Function, a
    kernel, an nn.Module, whose parameters are checked too; or a pair (forward, backward) in torch,
    NumPy or JAX: forward returns (out, cache), backward(dout, cache) the gradients. `reference`
    computes the same with torch operations. Both are called with the inputs in their order and
    `kwargs` by name, and return one or several tensors. Inputs may be lists, tuples and dicts of
    inputs.

    `inputs` are shapes in letters as above ("N < V": integers below V; "N C > 0": positive
    numbers); or example tensors, whose equal sizes vary together (`dims=("B T C", "C")` names their
    sizes, `fixed="C"` keeps one); or a function that makes the inputs from sizes. `sizes={"C": (64,
    8)}` sets the sizes of a letter. `wrt` names the inputs whose gradients are checked; by default
    the examples that require a gradient, or else every floating input. A dtype, size or layout that
    the function refuses with a clear error is noted and does not fail. `sample` runs one sample,
    copied from a failure. `forward_only` compares the outputs and no gradient.

    If `reference` is None, the gradients are compared with numeric derivatives of the function's
    own forward, in float64.

    There is no tolerance: R is the distance from float64 in units of what rounding explains.

    Raises CheckError if there is nothing to compare.
    """
    return run_check(
        function,
        reference,
        inputs,
        kwargs=kwargs,
        dims=dims,
        fixed=fixed,
        sizes=sizes,
        wrt=wrt,
        dtypes=dtypes,
        double_backward=double_backward,
        sample=sample,
        seed=seed,
        forward_only=forward_only,
        rerun=lambda s: f'handgrad.check_function(..., sample="{s}")',
    )


def run_check(
    function: Callable[..., Any],
    reference: Callable[..., Any] | None,
    inputs: Any,
    *,
    rerun: Rerun,
    kwargs: Mapping[str, Any] | None = None,
    dims: Any = None,
    fixed: str | Sequence[str] = (),
    sizes: Mapping[str, Sequence[int]] | None = None,
    wrt: Sequence[str] | None = None,
    dtypes: Sequence[Any] = DTYPES,
    double_backward: bool = False,
    sample: str | None = None,
    seed: int = 0,
    forward_only: bool = False,
    samples_around: Grid = grid,
) -> FunctionReport:
    """Do the same. `rerun` returns the command for one sample, `samples_around` the grid."""
    function = _applied(function)
    parameters = parameters_of(function, reference)
    arguments = arranged(function, reference, inputs, kwargs or {}, parameters)
    given = arguments.specified(parameters, dims, fixed, wrt, not forward_only)
    called = arguments.caller(function)
    right = called if reference is None else arguments.caller(reference)
    if _is_complex(right, given):
        called, right = (through_pairs(f, given.complex) for f in (called, right))
        dtypes = [dtype for dtype in dtypes if _dtype(dtype) in WIDE]
    if reference is not None:
        given = divided(given, right)
    bench = Bench(called, right, given, double_backward, seed, forward_only)
    if reference is None:
        one = None if sample is None else parse(sample, given.letters, given.names)
        chosen = _sizes(sizes or {}, given.letters)
        return check_alone(bench, name_of(called), rerun, chosen, one)
    try:
        report, explored = judged(bench, rerun, dtypes, sizes, sample, samples_around)
    except CheckError as error:
        refuse_foreign(str(error))
        raise
    for failure in report.failures:
        refuse_foreign(failure.error)
    if report.ok and explored.judged() and not forward_only:
        failures, notes = check_beside(function, bench, explored.base, rerun)
        report = replace(report, failures=tuple(failures), notes=(*report.notes, *notes))
    return report


def judged(
    bench: Bench,
    rerun: Rerun,
    dtypes: Sequence[Any] = DTYPES,
    sizes: Mapping[str, Sequence[int]] | None = None,
    sample: str | None = None,
    samples_around: Grid = grid,
) -> tuple[FunctionReport, Explored]:
    """Run the grid of a bench; return the report, and the trials behind it."""
    given = bench.inputs
    names = [_dtype(dtype) for dtype in dtypes]
    chosen = _sizes(sizes or {}, given.letters)
    if bench.forward_only:
        samples_around = without_gradients(samples_around)
    with isolated():
        if sample is not None:
            explored = _one(bench, parse(sample, given.letters, given.names))
        else:
            explored = explore(bench, names, chosen, samples_around)
        failures = diagnose(bench, explored, rerun)
    notes = _notes(explored)
    if not explored.judged():
        failures = [_nothing(explored)]
    report = FunctionReport(
        name_of(bench.function),
        tuple(failures),
        len(explored.judged()),
        explored.dtypes,
        tuple(notes),
        _judged_sizes(explored),
    )
    return report, explored


def _is_complex(reference: Callable[..., Any], given: Inputs) -> bool:
    with isolated():
        return returns_complex(reference, given)


def _one(bench: Bench, sample: CheckSample) -> Explored:
    """Run one sample alone. Raises CheckError if the reference cannot run it."""
    trial = run(bench, sample)
    if trial.status == "void":
        raise CheckError(f"sample '{sample}': the reference cannot run it: {trial.reason}")
    return Explored(sample, (sample.dtype,) * (trial.status == "judged"), (trial,))


def _applied(function: Any) -> Callable[..., Any]:
    if is_pair(function):
        return paired(*function)
    if isinstance(function, type) and issubclass(function, torch.autograd.Function):
        return function.apply
    if not callable(function):
        raise CheckError(f"the function must be callable, got {type(function).__name__}")
    return function  # type: ignore[no-any-return]


def parameters_of(function: Any, reference: Any) -> list[str]:
    """Return names for the inputs: those of the reference, or of forward."""
    owner = getattr(function, "__self__", None)
    forward: Any = getattr(owner, "forward", None) if isinstance(owner, type) else function
    for source, skip in ((reference, 0), (forward, int(forward is not function))):
        source = source.forward if isinstance(source, torch.nn.Module) else source
        try:
            parameters = inspect.signature(source).parameters.values()
        except (TypeError, ValueError):
            continue
        names = [p.name for p in parameters
                 if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]  # fmt: skip
        if names and names[0] == "ctx":
            names, skip = names[1:], 0
        if names[skip:]:
            return names[skip:]
    return []


def _dtype(dtype: Any) -> str:
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise CheckError(f"dtypes: {dtype} is not one of {', '.join(DTYPES)}")
    return name


def _sizes(sizes: Mapping[str, Sequence[int]], letters: Sequence[str]) -> dict[str, list[int]]:
    for letter, values in sizes.items():
        if letter not in letters:
            known = ", ".join(letters) or "none"
            raise CheckError(f"sizes: no input has a size {letter!r}; letters: {known}")
        if not values:
            raise CheckError(f"sizes: {letter!r} has no sizes; give at least one")
    return {letter: list(values) for letter, values in sizes.items()}


NOTES = {
    "unsupported": "{trial.sample.dtype} is not supported: {trial.reason}",
    "refused": "{count} of {total} samples were refused, such as '{trial.sample}': {trial.reason}",
    "void": "{count} of {total} samples were skipped because the reference cannot run them, such "
    "as '{trial.sample}': {trial.reason}",
}
IN_PLACE = "{} is overwritten with the result, as the function declares (mark_dirty)"
SINGLE = "float64 has only the precision of float32"


def _notes(explored: Explored) -> list[str]:
    """Return what was not judged, and why. Reasons that differ only in numbers are the same."""
    reasons: dict[tuple[TrialStatus, str], list[Trial]] = {}
    for trial in explored.trials:
        status, reason = trial.status, re.sub(r"\d+", "#", trial.reason)
        if status == "void" and 0 in trial.sample.size_of.values():
            continue  # many references cannot run on empty inputs, and nobody asked for them
        if status != "judged":
            key = trial.sample.dtype if status == "unsupported" else reason
            reasons.setdefault((status, key), []).append(trial)
    total = len(explored.trials)
    notes = [
        NOTES[status].format(count=len(trials), total=total, trial=trials[0])
        for (status, _), trials in reasons.items()
    ]
    if any(trial.single for trial in explored.judged()):
        notes.append(SINGLE)
    written = {name: None for trial in explored.judged() for name in trial.in_place}
    if written:
        notes.append(IN_PLACE.format(listed(list(written))))
    return notes


def _judged_sizes(explored: Explored) -> tuple[tuple[str, tuple[int, ...]], ...]:
    judged = [trial.sample.size_of for trial in explored.judged() if not trial.crashed()]
    letters = dict.fromkeys(letter for sizes in judged for letter in sizes)
    return tuple((k, tuple(sorted({sizes[k] for sizes in judged}))) for k in letters)


def _nothing(explored: Explored) -> Failure:
    """Return the failure of a function that refuses every sample."""
    trial, tried = explored.trials[0], len(explored.trials)
    return Failure(
        quantities=("function",),
        sample=str(trial.sample),
        arrays=(),
        error=f"refuses every sample: {trial.reason}",
        failed=f"Fails in all {tried} samples." if tried > 1 else "Fails in the only sample.",
        message="No sample could be run.",
        fix="Give the sizes and dtypes that it supports: "
        'sizes={"C": (64, 128)}, fixed="C", dtypes=("float32",).',
    )
