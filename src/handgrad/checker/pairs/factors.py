"""The number by which a gradient by hand is off, where it is off by one number."""

from collections.abc import Sequence
from math import isfinite

from torch import Tensor

from handgrad.checker.closeness import same_constant
from handgrad.checker.pairs.hands import Pair
from handgrad.checker.pairs.pairing import SIGNIFICANT, Pairing
from handgrad.checker.passes.compare import multiple_of


def factor_of(pair: Pair, value: Tensor | None) -> float | None:
    """Return f where a value of the gradient in float64 is f times the truth."""
    index = pair.node.index
    truth, noise = pair.forward.truth[index], pair.forward.noise[index]
    if value is None or value.numel() != truth.numel() or is_zero(pair):
        return None
    factor = multiple_of(value.reshape(truth.shape), truth, noise)
    return factor if factor and isfinite(factor) else None


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
