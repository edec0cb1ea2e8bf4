"""Every dimension but the last is batch: the matrix of rows that a tensor is."""

from torch import Tensor


def flat_rows(x: Tensor) -> Tensor:
    """Return (..., C) as (rows, C), a view if the memory layout allows it."""
    return x if x.dim() == 2 else x.reshape(-1, x.shape[-1])
