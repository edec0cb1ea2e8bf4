"""Samples that a candidate cannot know: sizes, layouts and numbers from a secret seed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from random import Random

from handgrad.checker.functions.samples.grid import SIZES, Grid, grid
from handgrad.checker.functions.samples.sample import LAYOUTS, UPSTREAMS, CheckSample

EXTRA = 32
"""How many samples are drawn."""
LARGEST, VOLUME = 400, 2**16
"""The largest random size, and the largest product of all sizes."""
BLOCKS = (1, 1, 1, 8, 16, 32, 64)
"""Every second size is a multiple of one of these: some kernels need it."""


def unknown_samples(seed: int) -> Grid:
    """Return a grid that has `EXTRA` random samples after the usual ones."""

    def samples(
        base: CheckSample,
        dtypes: Sequence[str],
        names: Sequence[str],
        outputs: int,
        sizes: Mapping[str, Sequence[int]],
    ) -> list[CheckSample]:
        random = Random(seed)
        usual = grid(base, dtypes, names, outputs, sizes)
        random.shuffle(usual)  # a candidate that counts its calls meets another one at each place
        return [*usual, *(_drawn(base, dtypes, sizes, random) for _ in range(EXTRA))]

    return samples


def _drawn(
    base: CheckSample, dtypes: Sequence[str], sizes: Mapping[str, Sequence[int]], random: Random
) -> CheckSample:
    chosen = {letter: _size(tried, random) for letter, tried in sizes.items()}
    while prod(max(n, 1) for n in chosen.values()) > VOLUME:
        letter = max(chosen, key=lambda k: chosen[k])
        smaller = [n for n in sizes[letter] if n < chosen[letter]]
        given = set(sizes[letter]) != set(SIZES)
        if given and not smaller:
            break
        chosen[letter] = max(smaller) if given else max(1, chosen[letter] // 2)
    sample = replace(
        base.sized(chosen),
        dtype=random.choice(list(dtypes)),
        layout=random.choice(LAYOUTS[:4]),
        upstream=random.choice(UPSTREAMS[:3]),
        draw=random.randrange(1, 10**6),
    )
    return replace(sample, layout="contiguous") if random.random() < 0.5 else sample


def _size(tried: Sequence[int], random: Random) -> int:
    """Return a size: one of the user's, if he gave some, else any."""
    if not set(tried) <= set(SIZES) or len(tried) < len(SIZES) - 1:
        return random.choice(list(tried))
    block = random.choice(BLOCKS)
    exponent = random.uniform(0, 1)
    size: int = max(1, round((LARGEST / block) ** exponent)) * block
    return size
