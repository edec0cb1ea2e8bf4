"""From faults to failures: the simplest sample of each, its cause, confirmed, and its text."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from handgrad.checker.functions.causes import FUNCTION_CAUSES, FunctionCause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.checker.functions.inputs.values import as_text
from handgrad.checker.functions.report.patterns import pattern, place, worst
from handgrad.checker.functions.report.records import BlamedLine, Failure
from handgrad.checker.functions.runs.bench import Bench
from handgrad.checker.functions.runs.explore import Explored, failing_keys, simplest
from handgrad.checker.functions.runs.trial import Key, Trial, run
from handgrad.checker.functions.samples.sample import CheckSample

Rerun = Callable[[CheckSample], str]
"""Returns the command that runs one sample alone."""
ERRORS = {
    "shape": "has shape {}",
    "missing": "is None",
    "raised": "raises {}",
    "changed": "writes to {}",
    "again": "differs the second time that backward runs",
    "unsteady": "differs between two calls on the same inputs",
    "mixed": "differs if another call is made before backward",
    "imprecise": "has fewer right digits than the reference",
    "overwritten": "is overwritten by a later call",
    "detached": "has no gradient",
    "infinite": "is not finite",
}
WRITES, DIFFERS = "HG164", "HG166"
"""A function that writes to an input returns another output and cannot run backward twice."""
CONDITIONS = ("HG153", "HG165", "HG168", "HG169", "HG172", "HG185", "HG193")
"""Causes of results that are right in other circumstances."""
WRITTEN_TO = "element of the written-to tensor refers to a single memory location"
"""What torch raises where an expanded tensor is written to."""
MERGED = (
    "HG153", "HG154", "HG157", "HG163", "HG164", "HG169", "HG170", "HG171", "HG172", "HG178",
    "HG181", "HG183", "HG184",
)  # fmt: skip
"""Causes that merge the gradients of one sample whatever their messages."""


@dataclass(frozen=True)
class Diagnosis:
    """One way of failing, with its cause if one explains it."""

    evidence: FunctionEvidence
    cause: FunctionCause | None = None
    finding: FunctionFinding | None = None

    @property
    def code(self) -> str | None:
        return self.cause.code if self.cause else None


def diagnose(bench: Bench, explored: Explored, rerun: Rerun) -> list[Failure]:
    """Return each failure once, with its cause if one is known."""
    diagnoses: list[Diagnosis] = []
    for key in failing_keys(explored.judged()):
        for sample in simplest(bench, explored, key):
            trial = run(bench, sample)
            if trial.has(key):
                diagnoses.append(explained(FunctionEvidence(bench, explored, key, trial)))
    independent = [d for d in diagnoses if not _follows(d, diagnoses)]
    return _with_lines(independent, [_failure(g, rerun) for g in _grouped(independent)])


def _with_lines(diagnoses: Sequence[Diagnosis], failures: Sequence[Failure]) -> list[Failure]:
    """Return the failures with the lines of backward that are to blame for wrong gradients."""
    plain = [d.evidence for d in diagnoses if _is_plain(d.evidence)]
    if not plain:
        return list(failures)
    from handgrad.checker.functions.body import lines_to_blame  # the whole checker: 0.4 s

    lines = lines_to_blame(plain[0].bench, plain[0].truth)
    lines_of = {_label(e): lines.get(e.quantity, ()) for e in plain}
    named = [
        _with_cause_of_line(failure, tuple(dict.fromkeys(
            line for quantity in failure.quantities for line in lines_of.get(quantity, ())
        )))
        for failure in failures
    ]  # fmt: skip
    merged: dict[object, Failure] = {}
    for failure, before in zip(named, failures, strict=True):
        same = (
            (failure.lines, failure.code) if failure.lines and before.code is None else id(failure)
        )
        one = merged.setdefault(same, failure)
        if one is not failure:
            merged[same] = replace(one, quantities=(*one.quantities, *failure.quantities))
    return list(merged.values())


def _is_plain(e: FunctionEvidence) -> bool:
    """Return whether the gradient is wrong in the simplest circumstances: a wrong formula."""
    simple = replace(e.explored.base, sizes=e.sample.sizes)
    return e.kind == "wrong" and e.quantity.kind == "gradient" and e.sample == simple


def _with_cause_of_line(failure: Failure, lines: tuple[BlamedLine, ...]) -> Failure:
    """Return the failure with its lines. A failure without a cause gets that of its only line."""
    if failure.code in CONDITIONS:
        return failure  # the formula is right elsewhere
    if failure.message is None and len(lines) == 1 and lines[0].message:
        (line,) = lines
        return replace(failure, lines=lines, code=line.code, message=line.message, fix=line.fix)
    return replace(failure, lines=lines)


def explained(evidence: FunctionEvidence) -> Diagnosis:
    """Return the first cause that explains the evidence for two draws of the numbers."""
    other = evidence.at(replace(evidence.sample, draw=evidence.sample.draw + 1))
    for cause in FUNCTION_CAUSES:
        finding = cause.find(evidence)
        if finding is not None and (other is None or cause.find(other) is not None):
            return Diagnosis(evidence, cause, finding)
    return Diagnosis(evidence)


def _follows(one: Diagnosis, diagnoses: Sequence[Diagnosis]) -> bool:
    """Return whether another diagnosis, of the same samples, already explains this one."""
    if one.evidence.kind == "imprecise" and any(
        (d.code, d.evidence.quantity, d.evidence.kind) == (one.code, one.evidence.quantity, "wrong")
        for d in diagnoses
    ):
        return True  # the same sum, where its terms do not cancel
    others = [d for d in diagnoses if d is not one and _covers(d, one)]
    known = [d for d in others if d.cause is not None]
    evidence = one.evidence
    same_quantity = {d.evidence.kind for d in known if d.evidence.quantity == evidence.quantity}
    if evidence.kind == "unsteady":  # report it only for results that are otherwise right
        return bool(same_quantity - {"unsteady"})
    if any(d.code == WRITES for d in known):
        breaks = evidence.kind in ("again", "raised", "mixed") or one.code in (None, DIFFERS)
        return breaks and one.code != WRITES
    if evidence.kind in ("mixed", "overwritten"):
        return bool({"mixed"} & {d.evidence.kind for d in others}) and evidence.kind != "mixed"
    if one.cause is not None:
        return False
    if "unsteady" in same_quantity:
        return True
    kind = evidence.quantity.kind
    if kind == "gradient" and any(d.evidence.kind == "raised" for d in known):
        return True
    before = {"gradient": ("output",), "second": ("output", "gradient")}.get(kind, ())
    return any(d.evidence.quantity.kind in before and d.evidence.kind == "wrong" for d in others)


def _covers(one: Diagnosis, other: Diagnosis) -> bool:
    """Return whether every sample that fails like `other` fails like `one` too.

    Where backward is right for its own forward pass, a wrong output also explains the gradients of
    samples in which the output cannot be told from rounding.
    """
    if (
        one.code == DIFFERS
        and one.finding is not None
        and "backward is right" in one.finding.message
    ):
        return True
    if one.code == WRITES and WRITTEN_TO in other.evidence.fault.detail:
        return True
    failing = set(one.evidence.failing())
    return all(sample in failing for sample in other.evidence.failing())


def _grouped(diagnoses: Sequence[Diagnosis]) -> list[list[Diagnosis]]:
    """Group diagnoses with the same cause and the same message.

    Without a cause, one way of failing is one failure, however many simplest samples it has.
    """
    groups: dict[object, list[Diagnosis]] = {}
    for one in diagnoses:
        message = one.finding.message if one.finding and one.code not in MERGED else ""
        group = (one.code, message) if one.code else one.evidence.key
        groups.setdefault(group, []).append(one)
    return list(groups.values())


def _failure(group: Sequence[Diagnosis], rerun: Rerun) -> Failure:
    first = group[0]
    evidence, finding, cause = first.evidence, first.finding, first.cause
    if finding is not None and finding.sample is not None:
        evidence = evidence.at(finding.sample) or evidence
    keys = {one.evidence.key for one in group}
    failing, passing = _split(evidence.explored, keys)
    inputs = zip(evidence.bench.inputs.names, evidence.truth.values, strict=True)
    ratio = evidence.fault.ratio
    return Failure(
        quantities=tuple(dict.fromkeys(_label(one.evidence) for one in group)),
        sample=str(evidence.sample),
        arrays=tuple(f"{name} {as_text(v)}" for name, v in inputs if isinstance(v, Tensor)),
        error=_error(evidence),
        failed=pattern(failing, passing),
        ratio=ratio if ratio is not None and math.isfinite(ratio) else None,
        code=first.code,
        name=cause.name if cause else None,
        message=finding.message if finding else None,
        fix=finding.fix if finding else None,
        again=rerun(evidence.sample),
    )


def _split(explored: Explored, keys: set[Key]) -> tuple[list[CheckSample], list[CheckSample]]:
    """Return the samples that fail in one of these ways, and those that could but do not."""
    failing, passing = [], []
    for trial in explored.judged():
        if any(trial.has(key) for key in keys):
            failing.append(trial.sample)
        elif any(_could_fail(trial, key) for key in keys):
            passing.append(trial.sample)
    return failing, passing


def _could_fail(trial: Trial, key: Key) -> bool:
    """Return whether the sample would show this way of failing."""
    if trial.sample.zeros != (key[0] == "infinite") and key[0] in ("wrong", "infinite"):
        return False
    return not (key[1].kind == "gradient" and any(f.kind == "raised" for f in trial.faults))


def _label(evidence: FunctionEvidence) -> str:
    """Return `output 1`, `gradient of x` or `backward`."""
    kind, index = evidence.quantity
    if kind == "run":
        return evidence.phase or "backward"
    if kind == "output":
        outputs = evidence.truth.call.outputs
        return "output" if len(outputs) < 2 else f"output {index}"
    name = evidence.name(index) if index >= 0 else "the upstream gradient"
    return f"gradient of {name}" if kind == "gradient" else f"second gradient of {name}"


def _error(evidence: FunctionEvidence) -> str:
    """Return what is wrong, by how much, and in which elements."""
    fault, quantity = evidence.fault, evidence.quantity
    if fault.kind != "wrong" or quantity not in evidence.trial.results:
        return ERRORS[fault.kind].format(fault.detail.rstrip("."))
    hand, right = evidence.hand, evidence.right
    if not right.is_floating_point():
        return "differs from the reference"
    index, got, expected = worst(hand, right)
    where = f" at [{', '.join(map(str, index))}]" if index else ""
    far = f"off by up to {abs(got - expected):.3g}{where}: got {got:.4g}, expected {expected:.4g}"
    return f"{far}; {place(evidence.mask)}"
