"""The grid run, and each failure reduced to the simplest sample that fails in the same way."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod

from torch import Tensor

from handgrad.checker.functions.inputs import isolation
from handgrad.checker.functions.runs.bench import Bench
from handgrad.checker.functions.runs.cost import elements_at
from handgrad.checker.functions.runs.trial import Key, Trial, key_of, run
from handgrad.checker.functions.runs.truth import truth_of
from handgrad.checker.functions.samples.grid import (
    SIZES,
    Grid,
    bases,
    for_compiler,
    grid,
    huge,
)
from handgrad.checker.functions.samples.sample import DEEP, CheckSample
from handgrad.errors import CheckError

MANY, MOST = 2**18, 2**20
"""If a tensor of either function has more than MANY elements at the largest size, no larger size is
tried. If one has more than MOST, the largest size runs once, not in every dtype."""
THIN = 2
"""The size of the other letters where one is so large that it is slow."""
BROKEN = "the reference's {} is mostly NaN or infinite"
ROUNDS = 3
"""How many simplest samples are sought for one way of failing: it may have several causes."""


@dataclass(frozen=True)
class Explored:
    """The trials of a grid, without their tensors. `base` is the simplest sample."""

    base: CheckSample
    dtypes: tuple[str, ...]
    trials: tuple[Trial, ...]
    known: dict[CheckSample, Trial] = field(default_factory=dict, repr=False, compare=False)
    """Every sample that has run, those of the diagnosis included."""

    def judged(self) -> list[Trial]:
        """Return the trials that were judged."""
        return [trial for trial in self.trials if trial.status == "judged"]

    def trial(self, bench: Bench, sample: CheckSample) -> Trial:
        """Return the trial of any sample, without its tensors."""
        return _ran(bench, sample, self.known)


def explore(
    bench: Bench,
    dtypes: Sequence[str],
    sizes: Mapping[str, Sequence[int]],
    samples_around: Grid = grid,
) -> Explored:
    """Run the grid. Raises CheckError if there is nothing to compare."""
    known: dict[CheckSample, Trial] = {}
    graphs = isolation.graphs()
    with isolation.static():
        base = _base(bench, dtypes, sizes, known)
    is_compiled = isolation.graphs() > graphs
    if base is None:
        return Explored(next(iter(known)), (), tuple(known.values()), known)
    in_dtype = {dtype: _ran(bench, replace(base, dtype=dtype), known) for dtype in dtypes}
    judged = [dtype for dtype, trial in in_dtype.items() if trial.status == "judged"]
    working = [dtype for dtype in judged if not in_dtype[dtype].crashed()]
    if not working:  # it raises at every size: nothing else will show
        trials = tuple(known.values())
        return Explored(replace(base, dtype=judged[0]), tuple(judged), trials, known)
    letters = bench.inputs.letters
    names = [bench.inputs.names[i] for i in bench.inputs.wrt]
    free = [letter for letter in letters if letter not in sizes]
    top = {k: replace(base, dtype=working[0]).sized({k: max(SIZES)}) for k in free}
    plain = replace(base, dtype=working[0])
    large = {letter: elements_at(bench, plain, letter, max(SIZES)) for letter in free}
    slow = [letter for letter in free if large[letter] > MOST]
    quick = [size for size in SIZES if size != max(SIZES)]
    tried = {k: tuple(sizes.get(k, quick if k in slow else SIZES)) for k in letters}
    last = [_thin(bench, top[letter], letter, free) for letter in slow]
    last += huge(base, working, [letter for letter in free if large[letter] <= MANY])
    deep = any(isinstance(v, Tensor) and v.dim() > 2 for v in bench.values(base))
    samples = [*samples_around(base, working, names, known[base].outputs, tried), *last]
    if bench.inputs.linked is not None:
        samples += [replace(base, dtype=working[0], apart=i) for i in bench.inputs.linked.numbers()]
    for sample in for_compiler(base, working[0], samples) if is_compiled else samples:
        if deep or sample.layout not in DEEP:
            _ran(bench, sample, known)
    trials = tuple(known.values())
    return Explored(replace(base, dtype=working[0]), tuple(working), trials, known)


def _thin(bench: Bench, sample: CheckSample, letter: str, free: Sequence[str]) -> CheckSample:
    """Return the sample with all other free letters at THIN, if the reference runs so."""
    thin = sample.sized({k: min(THIN, n) for k, n in sample.sizes if k in free and k != letter})
    try:
        truth_of(bench, thin)
    except Exception:
        return sample
    return thin


def _ran(bench: Bench, sample: CheckSample, known: dict[CheckSample, Trial]) -> Trial:
    """Return the trial of a sample, without its tensors. A sample runs once."""
    if sample not in known:
        known[sample] = run(bench, sample).forget()
    return known[sample]


def _base(
    bench: Bench,
    dtypes: Sequence[str],
    sizes: Mapping[str, Sequence[int]],
    known: dict[CheckSample, Trial],
) -> CheckSample | None:
    """Return the first sizes that work, in any dtype; otherwise the first that run at all."""
    ran = None
    layouts = ("given", "contiguous") if any(bench.inputs.orders) else ("contiguous",)
    starts = list(bases(bench.inputs.letters, bench.inputs.known))
    for layout, start in product(layouts, starts):
        chosen = {k: _nearest(n, sizes[k]) if k in sizes else n for k, n in start.items()}
        if prod(max(n, 1) for n in chosen.values()) > MOST and ran is not None:
            continue
        for dtype in dtypes:
            sample = CheckSample(tuple(chosen.items()), dtype, layout)
            if sample in known:
                continue
            trial = run(bench, sample)
            broken = _broken(trial) if trial.status == "judged" else None
            if broken:
                trial.status, trial.reason = "void", BROKEN.format(broken)
            if trial.status == "judged":
                _check_comparable(trial)
                ran = ran or sample
            known[sample] = trial.forget()
            if trial.status == "judged" and not trial.crashed():
                return sample
    if all(trial.status == "void" for trial in known.values()):
        reasons = [trial.reason for trial in known.values()]
        nowhere = [r for r in reasons if r.startswith(BROKEN[:15])]
        if nowhere:
            raise CheckError(
                f"{nowhere[0]} on these inputs; give examples within its domain, or 'N C > 0' for "
                f"positive numbers"
            )
        raise CheckError(f"the reference cannot run on these inputs: {reasons[0]}")
    return ran


def _nearest(size: int, sizes: Sequence[int]) -> int:
    """Return the listed size that is closest to `size`; 0 and 1 only if there is no other."""
    return min(sizes, key=lambda n: (n < 2, abs(n - size)))


def _check_comparable(trial: Trial) -> None:
    """Raise CheckError if function or reference has no gradient to compare."""
    truth, call = trial.truth, trial.call
    assert truth is not None
    compared = not truth.bench.forward_only
    if compared and not truth.call.differentiable():
        raise CheckError(
            "the reference is not differentiable: no output of it requires a gradient; write it "
            "with torch operations, without detach, no_grad or NumPy"
        )
    if compared and call is not None and not call.differentiable():
        raise CheckError(
            "the function is not differentiable: no output of it requires a gradient; pass "
            "MyFunction.apply, or a function that calls it"
        )


def _broken(trial: Trial) -> str | None:
    """Return `output` or `gradient` if one of the reference's is mostly NaN or infinite."""
    assert trial.truth is not None
    kinds = [q.kind for q, value in trial.truth.results.items() if _mostly_broken(value)]
    return ("output" if kinds[0] == "output" else "gradient") if kinds else None


def _mostly_broken(value: Tensor) -> bool:
    if not value.numel() or not value.is_floating_point():
        return False
    return float(value.isfinite().double().mean()) < 0.5


def simplest(bench: Bench, explored: Explored, key: Key) -> list[CheckSample]:
    """Return the simplest samples that fail so: one, or several where causes seem to differ."""

    def fails(sample: CheckSample) -> bool:
        return explored.trial(bench, sample).has(key)

    base = explored.base
    failing = [trial.sample for trial in explored.judged() if trial.has(key)]
    samples: list[CheckSample] = []
    while failing and len(samples) < ROUNDS:
        first = min(failing, key=lambda s: _weight(s, base))
        least = _shrunk(bench, first, base, fails)
        samples.append(least)
        special = _special(least, base)
        if not special:
            break
        failing = [s for s in failing if s != first and fails(_without(s, special, base))]
        failing = [s for s in failing if not _covers(least, s, base)]
    return list(dict.fromkeys(samples))


def _weight(sample: CheckSample, base: CheckSample) -> tuple[int, int]:
    return len(_special(sample, base)), prod(max(size, 1) for _, size in sample.sizes)


def _special(sample: CheckSample, base: CheckSample) -> list[str]:
    """Return the circumstances in which a sample differs from the base."""
    return [name for name in _CIRCUMSTANCES if getattr(sample, name) != getattr(base, name)]


_CIRCUMSTANCES = (
    "output", "grad", "zeros", "ties", "draw", "apart", "layout", "upstream", "dtype", "sizes"
)  # fmt: skip


def _without(sample: CheckSample, names: Sequence[str], base: CheckSample) -> CheckSample:
    return replace(sample, **{name: getattr(base, name) for name in names})


def _covers(least: CheckSample, sample: CheckSample, base: CheckSample) -> bool:
    return all(getattr(sample, name) == getattr(least, name) for name in _special(least, base))


def _shrunk(
    bench: Bench, sample: CheckSample, base: CheckSample, fails: Callable[[CheckSample], bool]
) -> CheckSample:
    """Return the sample with every circumstance of the base that lets it still fail."""
    for name in _CIRCUMSTANCES[:-1]:
        plain = _without(sample, [name], base)
        sample = plain if plain != sample and fails(plain) else sample
    for letter, size in base.sizes:
        plain = sample.sized({letter: size})
        sample = plain if plain != sample and fails(plain) else sample
    if sample.layout != "contiguous" and sample.on is None:
        for name in bench.inputs.names:
            alone = replace(sample, on=name)
            if fails(alone):
                return alone
    return sample


def failing_keys(trials: Sequence[Trial]) -> Iterator[Key]:
    """Yield each way of failing once: outputs first, then gradients, in the order of the inputs."""
    keys = {key_of(fault): None for trial in trials for fault in trial.faults}
    order = {"run": 0, "output": 1, "gradient": 2, "second": 3}
    yield from sorted(keys, key=lambda key: (order[key[1].kind], key[1].number))
