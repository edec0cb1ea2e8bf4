"""Awkward inputs of layers on the characters of whole words, end to end, and of tied weights."""

from handgrad.verify.cases.kinds import CaseInputs, Cases, Draw, words


def _position_embedding(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "words": (normal(21, 8), words(7, 3, 6, 5), normal(16, 8)),
        "ones": (normal(1, 1), words(1), normal(1, 1)),
        "one word": (normal(11, 5), words(11), normal(11, 5)),
        "one character each": (normal(13, 3), words(*[1] * 13), normal(2, 3)),
        "primes": (normal(31, 7), words(13, 1, 17), normal(17, 7)),
        "non-contiguous": (normal(7, 6).t(), words(2, 4), normal(7, 5).t()),
    }


def _causal_mean(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "words": (normal(21, 8), words(7, 3, 6, 5)),
        "ones": (normal(1, 1), words(1)),
        "one word": (normal(101, 5), words(101)),
        "one character each": (normal(13, 3), words(*[1] * 13)),
        "primes": (normal(31, 7), words(13, 1, 17)),
        "large": (normal(12, 3) * 1e4, words(5, 7)),
        "non-contiguous": (normal(7, 6).t(), words(2, 4)),
    }


def _tied_linear(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "makemore": (normal(57, 64), normal(27, 64), normal(27)),
        "ones": (normal(1, 1), normal(1, 1), normal(1)),
        "primes": (normal(13, 7), normal(11, 7), normal(11)),
        "no bias": (normal(13, 7), normal(11, 7)),
        "three dimensions": (normal(5, 3, 7), normal(11, 7), normal(11)),
        "non-contiguous": (normal(7, 13).t(), normal(7, 11).t(), normal(22)[::2]),
    }


CASES: Cases = {
    "position_embedding": _position_embedding,
    "causal_mean": _causal_mean,
    "tied_linear": _tied_linear,
}
