"""Awkward inputs of the layers of the lecture's model."""

import torch

from handgrad.verify.cases.kinds import CaseInputs, Cases, Draw


def _embedding(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "lecture": (integers(27, 32, 3), normal(27, 10)),
        "ones": (integers(1, 1, 1), normal(1, 1)),
        "primes": (integers(11, 13, 5), normal(11, 7)),
        "one row for all": (torch.full((17, 3), 2), normal(5, 3)),
        "non-contiguous": (integers(7, 3, 11).t(), normal(5, 7).t()),
    }


def _join(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "lecture": (normal(32, 3, 10),),
        "ones": (normal(1, 1, 1),),
        "primes": (normal(13, 5, 7),),
        "non-contiguous": (normal(5, 13, 7).transpose(0, 1),),
    }


def _linear(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "lecture": (normal(32, 30), normal(30, 200), normal(200)),
        "ones": (normal(1, 1), normal(1, 1), normal(1)),
        "primes": (normal(13, 7), normal(7, 11), normal(11)),
        "no bias": (normal(13, 7), normal(7, 11)),
        "three dimensions": (normal(5, 3, 7), normal(7, 11), normal(11)),
        "non-contiguous": (normal(7, 13).t(), normal(11, 7).t(), normal(22)[::2]),
    }


def _batchnorm(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "lecture": (normal(32, 200), normal(1, 200), normal(1, 200)),
        "two rows": (normal(2, 3), normal(1, 3), normal(1, 3)),
        "one column": (normal(13, 1), normal(1, 1), normal(1, 1)),
        "primes": (normal(13, 7), normal(1, 7), normal(1, 7)),
        "far from 0": (normal(31, 5) + 1000, normal(1, 5), normal(1, 5)),
        "three dimensions": (normal(5, 3, 7), normal(1, 7), normal(1, 7)),
        "non-contiguous": (normal(7, 13).t(), normal(7, 1).t(), normal(1, 14)[:, ::2]),
    }


def _tanh(normal: Draw, integers: Draw) -> CaseInputs:
    return {
        "lecture": (normal(32, 200),),
        "ones": (normal(1, 1),),
        "saturated": (normal(13, 7) * 10,),
        "near 0": (normal(13, 7) * 1e-6,),
        "three dimensions": (normal(5, 3, 7),),
        "non-contiguous": (normal(7, 13).t(),),
    }


def _softmax_cross_entropy(normal: Draw, integers: Draw) -> CaseInputs:
    tied = normal(13, 7)
    tied[:, 3] = tied[:, 5] = tied.max() + 1
    return {
        "lecture": (normal(32, 27), integers(27, 32)),
        "one row": (normal(1, 5), integers(5, 1)),
        "one symbol": (normal(13, 1), integers(1, 13)),
        "primes": (normal(13, 7), integers(7, 13)),
        "tied maxima": (tied, integers(7, 13)),
        "confident": (normal(13, 7) * 15, integers(7, 13)),
        "non-contiguous": (normal(7, 13).t(), integers(7, 26)[::2]),
        "ignored": ((normal(13, 7), integers(7, 13) - 3), {"ignoring": True}),
        "all but one ignored": ((normal(3, 5), torch.tensor([-1, 4, -100])), {"ignoring": True}),
        "three dimensions": ((normal(5, 3, 7), integers(8, 5, 3) - 1), {"ignoring": True}),
    }


CASES: Cases = {
    "embedding": _embedding,
    "join": _join,
    "linear": _linear,
    "batchnorm": _batchnorm,
    "tanh": _tanh,
    "softmax_cross_entropy": _softmax_cross_entropy,
}
