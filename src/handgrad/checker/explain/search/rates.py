"""Steps of updates: the learning rate is the user's to choose."""

from torch import Tensor

FEW = 2
"""Of a step with so few elements the direction says too little."""


def at_any_rate(step: Tensor, right: Tensor) -> Tensor:
    """Return a step in the length of the right one, where it goes downhill as that one does."""
    square = float((right * right).sum())
    if not square or right.numel() <= FEW:
        return step
    rate = float((step * right).sum()) / square
    return step / rate if rate > 0 else step
