"""Awkward inputs for each layer: sizes of 1, primes, ties, duplicates, strides, three dimensions.

No parameter and no upstream gradient is all 0 or all 1, because that could hide a mistake.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from handgrad.layers import LAYERS
from handgrad.models.call import Attribute, with_attributes
from handgrad.verify.cases import characters, lecture, norms, pointwise, sequences


@dataclass(frozen=True)
class Case:
    """A layer's inputs in the order of its INPUTS, floats in float64; the name says why."""

    name: str
    inputs: tuple[Tensor, ...]
    attributes: dict[str, Attribute] = field(default_factory=dict)

    def of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of the layer with those attributes that it takes."""
        return with_attributes(function, self.attributes)


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


_CASES = {**lecture.CASES, **norms.CASES, **pointwise.CASES, **characters.CASES, **sequences.CASES}
