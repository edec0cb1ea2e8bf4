"""Awkward inputs of the norms over the last dimension."""

from handgrad.verify.cases.kinds import CaseInputs, Cases, Draw


def _layernorm(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "makemore": (normal(57, 64), normal(64), normal(64)),
        "one channel": (normal(13, 1), normal(1), normal(1)),
        "two channels": (normal(13, 2), normal(2), normal(2)),
        "one row": (normal(1, 7), normal(7), normal(7)),
        "primes": (normal(31, 7), normal(7), normal(7)),
        "far from 0": (normal(31, 5) + 1000, normal(5), normal(5)),
        "small": (normal(31, 5) * 1e-3, normal(5), normal(5)),  # the variance is less than EPS
        "large": (normal(31, 5) * 1e4, normal(5), normal(5)),
        "three dimensions": (normal(5, 3, 7), normal(7), normal(7)),
        "non-contiguous": (normal(7, 13).t(), normal(14)[::2], normal(14)[::2]),
    }


def _rmsnorm(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "makemore": (normal(57, 64), normal(64)),
        "microgpt": (normal(57, 16),),
        "one channel": (normal(13, 1), normal(1)),
        "one row": (normal(1, 7), normal(7)),
        "primes": (normal(31, 7), normal(7)),
        "primes, no gain": (normal(31, 7),),
        "small": (normal(31, 5) * 1e-3, normal(5)),  # the mean square is less than EPS
        "large": (normal(31, 5) * 1e4, normal(5)),
        "three dimensions": (normal(5, 3, 7), normal(7)),
        "non-contiguous": (normal(7, 13).t(), normal(14)[::2]),
    }


CASES: Cases = {"layernorm": _layernorm, "rmsnorm": _rmsnorm}
