"""`handgrad.check_function`: a hand-written function held to a plain reference."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from handgrad.checker.functions.bench import Bench, undisturbed
from handgrad.checker.functions.diagnose import Again, diagnose
from handgrad.checker.functions.explore import Explored, explore
from handgrad.checker.functions.records import Failure, FunctionReport
from handgrad.checker.functions.samples import DTYPES, Sample, parse
from handgrad.checker.functions.specs import specified
from handgrad.checker.functions.trial import Status, Trial, run
from handgrad.errors import CheckError


def check_function(
    function: Callable[..., Any],
    reference: Callable[..., Any],
    inputs: Any,
    *,
    dims: Any = None,
    fixed: str | Sequence[str] = (),
    sizes: Mapping[str, Sequence[int]] | None = None,
    wrt: Sequence[str] | None = None,
    dtypes: Sequence[Any] = DTYPES,
    double_backward: bool = False,
    sample: str | None = None,
    seed: int = 0,
) -> FunctionReport:
    """Check the values and gradients of `function` against `reference` over a grid of samples.

        report = handgrad.check_function(
            MyLayerNorm.apply,
            lambda x, weight, bias: F.layer_norm(x, x.shape[-1:], weight, bias),
            {"x": "B T C", "weight": "C", "bias": "C"},
        )
        assert report.ok, report

    `function` is whatever autograd can ask for a gradient: an autograd.Function's apply, a kernel,
    a compiled module. `reference` computes the same with torch operations. Both are called with the
    inputs in their order, and return a tensor or several.

    `inputs` are shapes in letters as above ("N < V": whole numbers below V; "N C > 0": positive);
    or example tensors, whose equal sizes vary together (`dims=("B T C", "C")` says it otherwise,
    `fixed="C"` keeps a size); or a function of the letters that makes them. `sizes={"C": (64, 8)}`
    are a letter's sizes. `wrt` names what is differentiated by: else what of the examples requires
    a gradient, else all that is floating. Dtypes, sizes and layouts that the function refuses with
    an error that says so are noted, not failed. `sample`: this one alone, as a failure shows it.

    No tolerance: R is the distance from float64 in units of what rounding explains.

    Raises CheckError where there is nothing to compare.
    """
    return run_check(
        function,
        reference,
        inputs,
        dims=dims,
        fixed=fixed,
        sizes=sizes,
        wrt=wrt,
        dtypes=dtypes,
        double_backward=double_backward,
        sample=sample,
        seed=seed,
        again=lambda s: f'handgrad.check_function(..., sample="{s}")',
    )


def run_check(
    function: Callable[..., Any],
    reference: Callable[..., Any],
    inputs: Any,
    *,
    again: Again,
    dims: Any = None,
    fixed: str | Sequence[str] = (),
    sizes: Mapping[str, Sequence[int]] | None = None,
    wrt: Sequence[str] | None = None,
    dtypes: Sequence[Any] = DTYPES,
    double_backward: bool = False,
    sample: str | None = None,
    seed: int = 0,
) -> FunctionReport:
    """The same, where `again` says what to type for one sample."""
    function = _applied(function)
    names = _parameters(function, reference)
    given = specified(inputs, names, dims, fixed, wrt)
    known = [_dtype(d) for d in dtypes]
    chosen = _sizes(sizes or {}, given.letters)
    bench = Bench(function, reference, given, double_backward, seed)
    with undisturbed():
        if sample is not None:
            explored = _one(bench, parse(sample, given.letters, given.names))
        else:
            explored = explore(bench, known, chosen)
        failures = diagnose(bench, explored, again)
    notes = _notes(explored)
    if not explored.judged():
        failures = [_nothing(explored)]
    return FunctionReport(
        _name(function), tuple(failures), len(explored.judged()), explored.dtypes, tuple(notes)
    )


def _one(bench: Bench, sample: Sample) -> Explored:
    """One sample alone. Raises CheckError where the reference cannot run it."""
    trial = run(bench, sample)
    if trial.status == "void":
        raise CheckError(f"sample '{sample}': the reference cannot run it: {trial.said}")
    return Explored(sample, (sample.dtype,) * (trial.status == "judged"), (trial,))


def _applied(function: Any) -> Callable[..., Any]:
    if isinstance(function, type) and issubclass(function, torch.autograd.Function):
        return function.apply
    if not callable(function):
        raise CheckError(f"the function must be callable, got {type(function).__name__}")
    return function  # type: ignore[no-any-return]


def _name(function: Any) -> str:
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type):
        return owner.__name__
    return str(getattr(function, "__name__", type(function).__name__))


def _parameters(function: Any, reference: Any) -> list[str]:
    """Return names for the inputs: the reference's parameters, else those of forward."""
    owner = getattr(function, "__self__", None)
    forward: Any = getattr(owner, "forward", None) if isinstance(owner, type) else function
    for source, skip in ((reference, 0), (forward, int(forward is not function))):
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
        raise CheckError(f"dtypes: {dtype} is none of {', '.join(DTYPES)}")
    return name


def _sizes(sizes: Mapping[str, Sequence[int]], letters: Sequence[str]) -> dict[str, list[int]]:
    for letter, own in sizes.items():
        if letter not in letters:
            known = ", ".join(letters) or "none"
            raise CheckError(f"sizes: no input has a size {letter!r}; there are: {known}")
        if not own:
            raise CheckError(f"sizes: {letter!r} has none; give at least one")
    return {letter: list(own) for letter, own in sizes.items()}


NOTED = {
    "unsupported": "{dtype} not supported: {said}",
    "refused": "refused in {count} of {total} samples, such as '{sample}': {said}",
    "void": "left out in {count} of {total} samples, as the reference cannot run them, such as "
    "'{sample}': {said}",
}


def _notes(explored: Explored) -> list[str]:
    """What was not judged, and why; the same reason with other numbers is the same."""
    reasons: dict[tuple[Status, str], list[Trial]] = {}
    for trial in explored.trials:
        status, said = trial.status, re.sub(r"\d+", "#", trial.said)
        if status == "void" and 0 in trial.sample.size_of.values():
            continue  # many a reference has no maximum of nothing; no one asked
        if status != "judged":
            key = trial.sample.dtype if status == "unsupported" else said
            reasons.setdefault((status, key), []).append(trial)
    notes = []
    for (status, _), trials in reasons.items():
        first, total = trials[0], len(explored.trials)
        notes.append(
            NOTED[status].format(
                dtype=first.sample.dtype,
                said=first.said,
                count=len(trials),
                total=total,
                sample=first.sample,
            )
        )
    if any(t.single for t in explored.judged()):
        notes.append("float64 is computed in float32: right to its precision")
    return notes


def _nothing(explored: Explored) -> Failure:
    """Where the function refuses everything."""
    trial = explored.trials[0]
    tried = len(explored.trials)
    return Failure(
        ("function",),
        str(trial.sample),
        (),
        f"refuses every sample: {trial.said}",
        f"Fails in all {tried} samples." if tried > 1 else "Fails in the 1 sample.",
        message="No sample could be run.",
        code=None,
        fix='Say which sizes it takes: sizes={"C": (64, 128)}, fixed="C", dtypes=("float32",).',
    )
