"""The samples of a check: each circumstance alone, likely pairs together, small sizes first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle

from handgrad.checker.functions.samples.sample import HALF, UPSTREAMS, CheckSample
from handgrad.checker.functions.samples.sample import LAYOUTS as ALL_LAYOUTS

Grid = Callable[
    [CheckSample, Sequence[str], Sequence[str], int, Mapping[str, Sequence[int]]],
    list[CheckSample],
]
SIZES = (1, 2, 3, 7, 16, 64, 65, 127, 257, 1031, 0)
"""One, odd, prime, a power of two, one more, one less, several blocks and a remainder, zero."""
HUGE = 4099
"""Beyond the block size of a kernel that computes a row in one block; only where it stays fast."""
LAYOUTS = ALL_LAYOUTS[:-1]
COMMON = LAYOUTS[:5]
"""Layouts that are tried with every upstream gradient."""
FIRST = (3, 5, 7, 2, 11, 13)
"""Sizes of the base sample; all different, so that swapped dimensions show."""


def bases(letters: Sequence[str], known: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Yield sizes to start from, small ones first: some kernels need multiples of a block."""
    yield {letter: FIRST[i % len(FIRST)] for i, letter in enumerate(letters)}
    if known:
        yield {letter: known.get(letter, 16) for letter in letters}
    for size in (16, 64, 128):
        yield dict.fromkeys(letters, size)


def grid(
    base: CheckSample,
    dtypes: Sequence[str],
    names: Sequence[str],
    outputs: int,
    sizes: Mapping[str, Sequence[int]],
) -> list[CheckSample]:
    """Return the samples around `base`, each once.

    `dtypes` are those that work, `names` the inputs that may require a gradient alone, `outputs`
    the number of outputs that can have an upstream gradient, `sizes` the sizes of each letter.
    """
    plain = replace(base, dtype=dtypes[0])
    samples = [replace(plain, dtype=dtype) for dtype in dtypes]
    samples += [replace(plain, upstream=kind) for kind in UPSTREAMS]
    samples += _sized(plain, dtypes, sizes)
    samples += [replace(plain, layout=lay, upstream=up) for lay in COMMON for up in UPSTREAMS]
    ups = cycle(("random", "strided"))
    samples += [replace(plain, layout=lay, upstream=next(ups)) for lay in LAYOUTS]
    kinds = cycle(UPSTREAMS[1:])
    for dtype in dtypes[1:]:
        samples += [replace(plain, dtype=dtype, layout=lay, upstream=next(kinds)) for lay in COMMON]
    if len(names) > 1:
        samples += [replace(plain, grad=name) for name in names]
    if outputs > 1:
        samples += [replace(plain, output=i) for i in range(outputs)]
    samples += [replace(plain, dtype=dtype, zeros=True) for dtype in dtypes[:2]]
    samples += [replace(plain, ties=True), replace(plain, ties=True, draw=1)]
    return list(dict.fromkeys(samples))


def for_compiler(
    base: CheckSample, dtype: str, samples: Sequence[CheckSample]
) -> list[CheckSample]:
    """Return the samples of a compiled function, which takes seconds to compile.

    It is compiled anew for each dtype and layout, and for sizes of 0 and 1: other layouts and these
    sizes are tried in `dtype` alone.
    """
    small = {letter for letter, size in base.sizes if size < 2}
    return [
        sample
        for sample in samples
        if sample.dtype == dtype
        or (
            sample.layout == base.layout
            and not any(size < 2 and letter not in small for letter, size in sample.sizes)
        )
    ]


def without_gradients(samples_around: Grid) -> Grid:
    """Return a grid whose samples differ in more than their gradients."""

    def samples(
        base: CheckSample,
        dtypes: Sequence[str],
        names: Sequence[str],
        outputs: int,
        sizes: Mapping[str, Sequence[int]],
    ) -> list[CheckSample]:
        found = samples_around(base, dtypes, (), 1, sizes)
        return list(dict.fromkeys(replace(sample, upstream="random") for sample in found))

    return samples


def _sized(
    plain: CheckSample, dtypes: Sequence[str], sizes: Mapping[str, Sequence[int]]
) -> Iterator[CheckSample]:
    """Yield each letter at each of its sizes, dtypes alternating; then all letters together."""
    others = cycle(dtypes[1:] or dtypes)
    layouts = cycle(COMMON[1:])
    for letter in sizes:
        for size in sizes[letter]:
            sample = plain.sized({letter: size})
            yield sample
            yield replace(sample, dtype=next(others))
        large = max(sizes[letter])
        coarse = [dtype for dtype in dtypes if dtype in HALF] or dtypes
        for dtype in coarse:  # long sums, of terms that do not cancel
            yield replace(plain, dtype=dtype, upstream="ones").sized({letter: large})
        yield replace(plain, dtype=coarse[0]).sized({letter: large})  # and of terms that do
        if 65 in sizes[letter]:
            sample = plain.sized({letter: 65})
            yield replace(sample, layout=next(layouts), upstream="strided")
    for size in (1, 2, 16):
        if all(size in tried for tried in sizes.values()):
            yield plain.sized(dict.fromkeys(sizes, size))


def huge(base: CheckSample, dtypes: Sequence[str], letters: Sequence[str]) -> list[CheckSample]:
    """Return each letter at its largest size."""
    return [replace(base, dtype=dtypes[0]).sized({letter: HUGE}) for letter in letters]
