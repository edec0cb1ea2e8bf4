"""Awkward inputs for each layer: sizes of 1, primes, ties, duplicates, strides, three dimensions.

No parameter and no upstream gradient is all 0 or all 1, because that could hide a mistake.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from handgrad.layers import LAYERS
from handgrad.models.call import Attribute


@dataclass(frozen=True)
class Case:
    """A layer's inputs in the order of its INPUTS, floats in float64; the name says why."""

    name: str
    inputs: tuple[Tensor, ...]
    attributes: dict[str, Attribute] = field(default_factory=dict)

    def of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of the layer with those attributes that it takes."""
        taken = inspect.signature(function).parameters
        return partial(function, **{k: v for k, v in self.attributes.items() if k in taken})


def layer_cases(layer: str, seed: int = 0) -> list[Case]:
    """Return the cases of one layer, determined by the seed."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    def integers(high: int, *shape: int) -> Tensor:
        return torch.randint(0, high, shape, generator=generator)

    rows = _CASES[layer](normal, integers).items()
    return [
        Case(name, *row) if isinstance(row[-1], dict) else Case(name, row) for name, row in rows
    ]


def upstream(layer: str, case: Case, seed: int = 1) -> Any:
    """Return a random gradient of the layer's output, float64; for a loss too, in place of 1.

    Of several outputs, a tuple.
    """
    out, _ = case.of(LAYERS[layer].forward)(*case.inputs)
    generator = torch.Generator().manual_seed(seed)

    def normal(x: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=generator, dtype=torch.float64)

    return normal(out) if isinstance(out, Tensor) else tuple(map(normal, out))


Normal = Callable[..., Tensor]
CaseInputs = dict[str, tuple[Any, ...]]
"""Name -> inputs, or (inputs, attributes) for a layer that has any."""


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
