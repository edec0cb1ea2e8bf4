"""What the tables of cases are made of."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Draw = Callable[..., Tensor]
"""normal(*shape), float64, or integers(high, *shape)."""
CaseInputs = dict[str, tuple[Any, ...]]
"""Name -> inputs, or (inputs, attributes) for a layer that has any."""
Cases = dict[str, Callable[[Draw, Draw], CaseInputs]]
"""Layer -> function of normal and integers."""


def words(*lengths: int) -> Tensor:
    """Return the offsets (B + 1,) of words with these lengths."""
    return torch.tensor([0, *lengths]).cumsum(0)
