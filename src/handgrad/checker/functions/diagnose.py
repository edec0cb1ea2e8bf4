"""From what failed to failures: the plainest sample, its cause, verified, and the words for it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from handgrad.checker.functions.bench import Bench
from handgrad.checker.functions.causes import FUNCTION_CAUSES, FunctionCause
from handgrad.checker.functions.evidence import Evidence, Finding
from handgrad.checker.functions.explore import Explored, Key, faults_by_key, has, plainest
from handgrad.checker.functions.patterns import as_text, pattern, place, worst
from handgrad.checker.functions.records import Failure
from handgrad.checker.functions.samples import Sample
from handgrad.checker.functions.trial import Trial, run

Again = Callable[[Sample], str]
WHAT = {
    "shape": "has another shape: {}",
    "missing": "is None",
    "raised": "raises {}",
    "changed": "writes to {}",
    "again": "is another the second time",
    "unsteady": "differs from call to call",
    "infinite": "is not finite",
}


@dataclass(frozen=True)
class Found:
    """One way of failing, explained as far as it can be."""

    evidence: Evidence
    cause: FunctionCause | None
    finding: Finding | None


def diagnose(bench: Bench, explored: Explored, again: Again) -> list[Failure]:
    """Return what is wrong, each thing once, with its cause where one is known."""
    found: list[Found] = []
    for key in faults_by_key(explored.judged()):
        for sample in plainest(bench, explored, key):
            trial = run(bench, sample)
            if has(trial, key):
                found.append(explained(Evidence(bench, explored, key, trial)))
    found = [f for f in found if not _follows(f, found)]
    return [_failure(group, again) for group in _grouped(found)]


def explained(evidence: Evidence) -> Found:
    """Return the first cause that explains it, there and where other numbers are drawn."""
    other = evidence.moved(replace(evidence.sample, draw=evidence.sample.draw + 1))
    for cause in FUNCTION_CAUSES:
        finding = cause.find(evidence)
        if finding is not None and (other is None or cause.find(other) is not None):
            return Found(evidence, cause, finding)
    return Found(evidence, None, None)


def _follows(one: Found, found: Sequence[Found]) -> bool:
    """Tell whether something else that is said already says it."""
    own, others = one.evidence, [f for f in found if f is not one]
    known = [f for f in others if f.cause is not None]
    code = one.cause.code if one.cause else ""
    if own.kind == "unsteady":  # of what is wrong in other ways too, only what they say
        return any(
            f.evidence.quantity == own.quantity and f.evidence.kind != own.kind for f in known
        )
    if any(f.cause is not None and f.cause.code == WRITES for f in known):
        return code != WRITES and (own.kind in ("again", "raised") or code in ("", DIFFERS))
    if one.cause is not None:
        return False
    if any(f.evidence.quantity == own.quantity and f.evidence.kind == "unsteady" for f in known):
        return True
    if own.quantity.kind == "gradient" and any(f.evidence.kind == "raised" for f in known):
        return True
    before = {"gradient": ("output",), "second": ("output", "gradient")}.get(own.quantity.kind, ())
    return any(f.evidence.quantity.kind in before and f.evidence.kind == "wrong" for f in others)


def _grouped(found: Sequence[Found]) -> list[list[Found]]:
    """Put together what has the same cause and the same words for it."""
    groups: dict[object, list[Found]] = {}
    for one in found:
        key: object = id(one)
        if one.cause is not None and one.finding is not None:
            key = one.cause.code, _neutral(one)
        groups.setdefault(key, []).append(one)
    return list(groups.values())


WRITES, DIFFERS = "HG164", "HG166"
"""Who writes to an input makes another output, and cannot do so twice."""
MERGED = ("HG153", "HG154", "HG157", "HG163", "HG164", "HG169", "HG170", "HG171", "HG172", "HG178")
"""Causes that several gradients share whatever their words: it is the sample that matters."""


def _neutral(one: Found) -> str:
    assert one.cause is not None
    assert one.finding is not None
    return "" if one.cause.code in MERGED else one.finding.message


def _failure(group: Sequence[Found], again: Again) -> Failure:
    first = group[0]
    evidence, finding, cause = first.evidence, first.finding, first.cause
    if finding is not None and finding.sample is not None:
        evidence = evidence.moved(finding.sample) or evidence
    names = tuple(dict.fromkeys(label(f.evidence) for f in group))
    keys = {f.evidence.key for f in group}
    failing, passing = split(evidence.explored, keys)
    ratio = evidence.fault.ratio
    return Failure(
        names,
        str(evidence.sample),
        arrays(evidence),
        error(evidence),
        pattern(failing, passing),
        ratio if ratio is not None and math.isfinite(ratio) else None,
        cause.code if cause else None,
        cause.name if cause else None,
        finding.message if finding else None,
        finding.fix if finding else None,
        again(evidence.sample),
    )


def split(explored: Explored, keys: set[Key]) -> tuple[list[Sample], list[Sample]]:
    """Return the samples that fail in one of these ways, and those that could and do not."""
    failing, passing = [], []
    for trial in explored.judged():
        if any(has(trial, key) for key in keys):
            failing.append(trial.sample)
        elif any(_asks(explored, trial, key) for key in keys):
            passing.append(trial.sample)
    return failing, passing


def _asks(explored: Explored, trial: Trial, key: Key) -> bool:
    """Tell whether the sample would have shown it."""
    if trial.sample.zeros != (key[0] == "infinite") and key[0] in ("wrong", "infinite"):
        return False
    return not (key[1].kind == "gradient" and any(f.kind == "raised" for f in trial.faults))


def label(evidence: Evidence) -> str:
    """`output 1`, `gradient of x`, `backward`."""
    kind, index = evidence.quantity
    if kind == "run":
        return evidence.phase or "backward"
    if kind == "output":
        outputs = evidence.trial.truth.call.outputs if evidence.trial.truth else ()
        return "output" if len(outputs) < 2 else f"output {index}"
    name = evidence.name(index) if index >= 0 else "the upstream gradient"
    return f"gradient of {name}" if kind == "gradient" else f"second gradient by {name}"


def arrays(evidence: Evidence) -> tuple[str, ...]:
    """The inputs that are tensors: `x f32[3,65]`."""
    pairs = zip(evidence.bench.inputs.names, evidence.truth.values, strict=True)
    return tuple(f"{name} {as_text(v)}" for name, v in pairs if isinstance(v, Tensor))


def error(evidence: Evidence) -> str:
    """What is wrong, how far, and where it sits."""
    fault, quantity = evidence.fault, evidence.quantity
    if fault.kind != "wrong" or quantity not in evidence.trial.found:
        return WHAT[fault.kind].format(fault.said.rstrip("."))
    hand, right = evidence.hand, evidence.right
    if not right.is_floating_point():
        return "differs from the reference's"
    index, got, expected = worst(hand, right)
    where = f" at [{', '.join(map(str, index))}]" if index else ""
    far = f"off by up to {abs(got - expected):.3g}{where}: {got:.4g} where {expected:.4g} is right"
    return f"{far}; {place(evidence.mask)}"
