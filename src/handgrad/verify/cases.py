"""Awkward inputs for each layer: sizes of 1, primes, ties, duplicates, strides, three dimensions.

No parameter and no upstream gradient is all 0 or all 1, because that could hide a mistake.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from handgrad.layers import LAYERS


@dataclass(frozen=True)
class Case:
    """A layer's inputs in the order of its INPUTS, floats in float64; the name says why."""

    name: str
    inputs: tuple[Tensor, ...]


def layer_cases(layer: str, seed: int = 0) -> list[Case]:
    """Return the cases of one layer, determined by the seed."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    def integers(high: int, *shape: int) -> Tensor:
        return torch.randint(0, high, shape, generator=generator)

    return [Case(name, inputs) for name, inputs in _CASES[layer](normal, integers).items()]


def upstream(layer: str, case: Case, seed: int = 1) -> Tensor:
    """Return a random gradient of the layer's output, float64; for a loss too, in place of 1."""
    out, _ = LAYERS[layer].forward(*case.inputs)
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(out.shape, generator=generator, dtype=torch.float64)


Normal = Callable[..., Tensor]
CaseInputs = dict[str, tuple[Tensor, ...]]


def _embedding(normal: Normal, integers: Normal) -> CaseInputs:
    return {
        "lecture": (integers(27, 32, 3), normal(27, 10)),
        "ones": (integers(1, 1, 1), normal(1, 1)),
        "primes": (integers(11, 13, 5), normal(11, 7)),
        "one row for all": (torch.full((17, 3), 2), normal(5, 3)),
        "non-contiguous": (integers(7, 3, 11).t(), normal(5, 7).t()),
    }


def _join(normal: Normal, integers: Normal) -> CaseInputs:
    return {
        "lecture": (normal(32, 3, 10),),
        "ones": (normal(1, 1, 1),),
        "primes": (normal(13, 5, 7),),
        "non-contiguous": (normal(5, 13, 7).transpose(0, 1),),
    }


def _linear(normal: Normal, integers: Normal) -> CaseInputs:
    return {
        "lecture": (normal(32, 30), normal(30, 200), normal(200)),
        "ones": (normal(1, 1), normal(1, 1), normal(1)),
        "primes": (normal(13, 7), normal(7, 11), normal(11)),
        "no bias": (normal(13, 7), normal(7, 11)),
        "three dimensions": (normal(5, 3, 7), normal(7, 11), normal(11)),
        "non-contiguous": (normal(7, 13).t(), normal(11, 7).t(), normal(22)[::2]),
    }


def _batchnorm(normal: Normal, integers: Normal) -> CaseInputs:
    return {
        "lecture": (normal(32, 200), normal(1, 200), normal(1, 200)),
        "two rows": (normal(2, 3), normal(1, 3), normal(1, 3)),
        "one column": (normal(13, 1), normal(1, 1), normal(1, 1)),
        "primes": (normal(13, 7), normal(1, 7), normal(1, 7)),
        "far from 0": (normal(31, 5) + 1000, normal(1, 5), normal(1, 5)),
        "three dimensions": (normal(5, 3, 7), normal(1, 7), normal(1, 7)),
        "non-contiguous": (normal(7, 13).t(), normal(7, 1).t(), normal(1, 14)[:, ::2]),
    }


def _tanh(normal: Normal, integers: Normal) -> CaseInputs:
    return {
        "lecture": (normal(32, 200),),
        "ones": (normal(1, 1),),
        "saturated": (normal(13, 7) * 10,),
        "near 0": (normal(13, 7) * 1e-6,),
        "three dimensions": (normal(5, 3, 7),),
        "non-contiguous": (normal(7, 13).t(),),
    }


def _softmax_cross_entropy(normal: Normal, integers: Normal) -> CaseInputs:
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
    }


_CASES: dict[str, Callable[[Normal, Normal], CaseInputs]] = {
    "embedding": _embedding,
    "join": _join,
    "linear": _linear,
    "batchnorm": _batchnorm,
    "tanh": _tanh,
    "softmax_cross_entropy": _softmax_cross_entropy,
}
