"""The number by which a gradient by hand is off, where it is off by one number."""

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor

from handgrad.checker.closeness import same_constant
from handgrad.checker.pairs.hands import Pair
from handgrad.checker.pairs.pairing import Pairing
from handgrad.checker.pairs.verdict import SIGNIFICANT
from handgrad.checker.passes.compare import multiple_of, near
from handgrad.checker.record.trace import key_of

MANY = 4
"""Fewer elements than this may be a sum of two multiples by chance."""


def factor_of(pair: Pair, value: Tensor | None) -> float | None:
    """Return f where a value of the gradient in float64 is f times the truth."""
    index = pair.node.index
    truth, noise = pair.forward.truth[index], pair.forward.noise[index]
    if value is None or value.numel() != truth.numel() or is_zero(pair):
        return None
    factor = multiple_of(value.reshape(truth.shape), truth, noise)
    return factor if factor and isfinite(factor) else None


def decays(pair: Pair, value: Tensor | None) -> bool:
    """Tell whether a gradient is a multiple of the truth plus one of its parameter.

    Weight decay adds the latter, of which a file without a loss says nothing.
    """
    index, node = pair.node.index, pair.node.value
    truth, noise = pair.forward.truth[index], pair.forward.noise[index]
    if value is None or value.shape != truth.shape or truth.numel() < MANY or is_zero(pair):
        return False
    if key_of(node) not in pair.forward.leaves or factor_of(pair, value) is not None:
        return False
    parameter = pair.forward.trace.at(node, pair.node.index).detach().to(truth)
    both = torch.stack([truth.flatten(), parameter.flatten()], 1)
    fitted = both @ torch.linalg.lstsq(both, value.reshape(-1, 1)).solution
    return bool(near(value, fitted.view_as(value), noise).all())


def is_zero(pair: Pair) -> bool:
    """Tell whether the true gradient is 0 but for rounding: any multiple of it is."""
    truth, noise = pair.forward.truth[pair.node.index], pair.forward.noise[pair.node.index]
    return not bool((truth.abs() > SIGNIFICANT * noise).any())


def alike(pairing: Pairing) -> int:
    """Return how many gradients of more than one element are off by one and the same number."""
    values = pairing.natural.values
    several = [p for p in pairing.pairs if p.node.value.numel() > 1]
    factors = [f for p in several if (f := factor_of(p, values.get(p.final().index))) is not None]
    return most_alike(factors)


def most_alike(numbers: Sequence[float]) -> int:
    """Return how often the most frequent of the numbers occurs."""
    return max((sum(same_constant(a, b) for b in numbers) for a in numbers), default=0)
