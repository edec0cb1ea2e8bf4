"""The grid run; what fails brought down to the plainest sample that fails in the same way."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from handgrad.checker.functions.bench import Bench, Quantity, doubles
from handgrad.checker.functions.calls import Call, InDouble
from handgrad.checker.functions.grid import SIZES, bases, grid, huge
from handgrad.checker.functions.samples import Sample
from handgrad.checker.functions.trial import Fault, Trial, run
from handgrad.errors import CheckError

MANY, MOST = 2**18, 2**20
"""Where a tensor of more than MANY numbers is saved for backward at the largest size, no larger one
is tried; where it has more than MOST, that size is tried once, not in every dtype."""
ROUNDS = 3
"""So many causes may lie behind what is wrong with one number."""

Key = tuple[str, Quantity, str]
"""What is wrong: the kind, with what, and in which phase."""


@dataclass(frozen=True)
class Explored:
    """What ran. `base` is the plain sample; trials hold no tensors any more."""

    base: Sample
    dtypes: tuple[str, ...]
    trials: tuple[Trial, ...]

    def judged(self) -> list[Trial]:
        return [t for t in self.trials if t.status == "judged"]


def explore(bench: Bench, dtypes: Sequence[str], sizes: Mapping[str, Sequence[int]]) -> Explored:
    """Run the whole grid. Raises CheckError where there is nothing to compare."""
    tried: dict[Sample, Trial] = {}
    base = _base(bench, dtypes, sizes, tried)
    if base is None:
        return Explored(next(iter(tried)), (), tuple(tried.values()))
    for dtype in dtypes:
        sample = replace(base, dtype=dtype)
        tried.setdefault(sample, _run(bench, sample))
    working = [d for d in dtypes if tried[replace(base, dtype=d)].status == "judged"]
    letters = bench.inputs.letters
    names = [bench.inputs.names[i] for i in bench.inputs.wrt]
    free = [letter for letter in letters if letter not in sizes]
    top = {k: replace(base, dtype=working[0]).sized({k: max(SIZES)}) for k in free}
    saved = {letter: _saved(bench, sample) for letter, sample in top.items()}
    slow = [letter for letter in free if saved[letter] > MOST]
    own = {
        letter: tuple(
            sizes.get(letter, [n for n in SIZES if n != max(SIZES) or letter not in slow])
        )
        for letter in letters
    }
    last = [top[letter] for letter in slow]
    last += huge(base, working, [letter for letter in free if saved[letter] <= MANY])
    for sample in (*grid(base, working, names, _outputs(bench, base), own), *last):
        if sample not in tried:
            tried[sample] = _run(bench, sample)
    return Explored(replace(base, dtype=working[0]), tuple(working), tuple(tried.values()))


def _base(
    bench: Bench,
    dtypes: Sequence[str],
    sizes: Mapping[str, Sequence[int]],
    tried: dict[Sample, Trial],
) -> Sample | None:
    """Return the first sizes that work, in whatever dtype; else those that at least run."""
    ran = None
    letters = bench.inputs.letters
    for start in bases(letters, bench.inputs.known):
        chosen = {
            k: sizes[k][0] if k in sizes and n not in sizes[k] else n for k, n in start.items()
        }
        for dtype in dtypes:
            sample = Sample(tuple(chosen.items()), dtype)
            if sample in tried:
                continue
            trial = run(bench, sample)
            if trial.status == "judged":
                _comparable(trial)
                ran = ran or sample
            tried[sample] = _forgotten(trial)
            if trial.status == "judged" and not any(f.kind == "raised" for f in trial.faults):
                return sample
    if all(t.status == "void" for t in tried.values()):
        raise CheckError(
            f"the reference cannot run on these inputs: {next(iter(tried.values())).said}"
        )
    return ran


def _comparable(trial: Trial) -> None:
    """Raise CheckError where function and reference say nothing about a gradient."""
    truth, call = trial.truth, trial.call
    assert truth is not None
    if not truth.call.differentiable():
        raise CheckError(
            "the reference is not differentiable: no output of it requires a gradient; write it "
            "with torch operations, without detach, no_grad or NumPy"
        )
    if call is not None and not call.differentiable():
        raise CheckError(
            "the function is not differentiable: no output of it requires a gradient; pass "
            "MyFunction.apply, or what calls it"
        )
    broken = [q for q, t in truth.found.items() if _mostly_broken(t)]
    if broken:
        what = "output" if broken[0].kind == "output" else "gradient"
        raise CheckError(
            f"the reference's {what} is mostly NaN or infinite on these inputs; give examples "
            f"within its domain, or 'N C > 0' for positive numbers"
        )


def _mostly_broken(value: Tensor) -> bool:
    if not value.numel() or not value.is_floating_point():
        return False
    return float(value.isfinite().double().mean()) < 0.5


def _outputs(bench: Bench, base: Sample) -> int:
    truth = run(bench, base).truth
    return len(truth.outputs) if truth is not None else 0


def _saved(bench: Bench, sample: Sample) -> int:
    """Return the size of the largest tensor that the reference keeps for its backward."""
    largest = 0

    def seen(value: Tensor) -> Tensor:
        nonlocal largest
        largest = max(largest, value.numel())
        return value

    try:
        with torch.autograd.graph.saved_tensors_hooks(seen, lambda value: value), InDouble():
            Call(bench.reference, doubles(bench.values(sample)), bench.wanted(sample))
    except Exception:  # it has no such sizes, and none larger
        return MANY + 1
    return largest


def _run(bench: Bench, sample: Sample) -> Trial:
    return _forgotten(run(bench, sample))


def _forgotten(trial: Trial) -> Trial:
    trial.truth = trial.call = None
    trial.found = {}
    return trial


def key_of(fault: Fault) -> Key:
    """Return what is the same in two samples that fail alike."""
    return fault.kind, fault.quantity, fault.phase


def has(trial: Trial, key: Key) -> bool:
    """Tell whether the trial fails in that way."""
    return trial.status == "judged" and any(key_of(f) == key for f in trial.faults)


def plainest(bench: Bench, explored: Explored, key: Key) -> list[Sample]:
    """Return the plainest samples that fail so: one, or several that have not the same reason."""
    failing = [t.sample for t in explored.judged() if has(t, key)]
    found: list[Sample] = []
    while failing and len(found) < ROUNDS:
        first = min(failing, key=lambda s: _weight(s, explored.base))
        least = _shrunk(bench, first, explored.base, key)
        found.append(least)
        odd = _odd(least, explored.base)
        if not odd:
            break
        failing = [s for s in failing if s != first and
                   has(_run(bench, _without(s, odd, explored.base)), key)]  # fmt: skip
        failing = [s for s in failing if not _covers(least, s, explored.base)]
    return list(dict.fromkeys(found))


def _weight(sample: Sample, base: Sample) -> tuple[int, int]:
    elements = 1
    for _, size in sample.sizes:
        elements *= max(size, 1)
    return len(_odd(sample, base)), elements


def _odd(sample: Sample, base: Sample) -> list[str]:
    """Return in what respects a sample is not plain."""
    return [name for name in _RESPECTS if getattr(sample, name) != getattr(base, name)]


_RESPECTS = ("output", "grad", "zeros", "layout", "upstream", "dtype", "sizes")


def _without(sample: Sample, respects: Sequence[str], base: Sample) -> Sample:
    return replace(sample, **{name: getattr(base, name) for name in respects})


def _covers(least: Sample, sample: Sample, base: Sample) -> bool:
    return all(getattr(sample, r) == getattr(least, r) for r in _odd(least, base))


def _shrunk(bench: Bench, sample: Sample, base: Sample, key: Key) -> Sample:
    """Make the sample plain in every respect that it does not need in order to fail."""

    def kept(other: Sample, get: Callable[[Sample], object]) -> Sample:
        return other if get(other) != get(sample) and has(_run(bench, other), key) else sample

    for name in _RESPECTS[:-1]:
        sample = kept(_without(sample, [name], base), lambda s, n=name: getattr(s, n))  # type: ignore[misc]
    for letter, size in base.sizes:
        sample = kept(sample.sized({letter: size}), lambda s: s.sizes)
    if sample.layout != "contiguous" and sample.on is None:
        for name in bench.inputs.names:
            alone = kept(replace(sample, on=name), lambda s: s.on)
            if alone is not sample:
                return alone
    return sample


def faults_by_key(trials: Sequence[Trial]) -> Iterator[Key]:
    """Yield each way of failing once: outputs first, then gradients, in the order of the inputs."""
    keys = {key_of(f): None for t in trials for f in t.faults}
    order = {"run": 0, "output": 1, "gradient": 2, "second": 3}
    yield from sorted(keys, key=lambda k: (order[k[1].kind], k[1].number))
