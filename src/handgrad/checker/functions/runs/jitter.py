"""The rounding noise of large tensors, from random numbers that are drawn once and used again.

Drawing them costs several times the work that they move. A tensor reads the pool from a random
start, and continues at another one after POOL elements.
"""

from functools import cache

import torch
from torch import Tensor

from handgrad.checker.passes.noise import Jitter

POOL = 2**19


class PooledJitter(Jitter):  # type: ignore[no-untyped-call]
    """While active, every rounding operation's result on the CPU is moved within `eps`."""

    def __init__(self, eps: float, seed: int) -> None:
        super().__init__(eps, seed)
        self._start = torch.Generator().manual_seed(seed)

    def move(self, value: Tensor) -> Tensor:
        """Move `value` in place, and return it; 0 stays 0."""
        count = value.numel()
        if value.device.type != "cpu" or value.dtype != torch.float64:
            return super().move(value)
        if count > POOL and not value.is_contiguous():
            return super().move(value)
        parts = torch.split(value.view(-1), POOL) if count > POOL else (value,)
        for part in parts:
            start = int(torch.randint(POOL, (), generator=self._start))
            moves = _pool()[start : start + part.numel()].view(part.shape)
            part.mul_(moves.mul(self.eps).add_(1))
        return value


@cache
def _pool() -> Tensor:
    """Return 2 POOL numbers from -1 to 1, the second half equal to the first."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.rand(POOL, generator=generator, dtype=torch.float64) * 2 - 1
    return torch.cat([drawn, drawn])
