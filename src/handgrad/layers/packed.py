"""Words of different lengths, end to end: their rows by time step.

offsets (B + 1,): word b is rows offsets[b] .. offsets[b + 1] - 1 of x (N, C), at least one row.
Recurrent layers work in time-major order: the first characters of all words, longest word first,
then the second characters of the words that have one, and so on. The words that take part in a step
are then the first ones of the step before, and nothing is padded.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TimeMajor:
    """The rows of a packed tensor in time-major order."""

    rows: Tensor
    """(N,): the packed row of each time-major row."""
    packed: Tensor
    """(N,): the time-major row of each packed row."""
    before: Tensor
    """(N - B,): the time-major row of the character before, from the second step on."""
    alive: list[int]
    """Number of words in each time step, not increasing."""

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the rows of each time step of a time-major tensor."""
        return torch.split(x, self.alive)

    def previous(self, states: Tensor, start: Tensor) -> Tensor:
        """Return the state (N, H) that each step starts from, given those that they end with."""
        return torch.cat([start.expand(self.alive[0], -1), states[self.before]])


def time_major(offsets: Tensor) -> TimeMajor:
    """Return the time-major order of the words at `offsets`."""
    lengths, order = offsets.diff().sort(descending=True, stable=True)
    steps = torch.arange(int(lengths[0]), device=offsets.device).unsqueeze(1)  # (T, 1)
    takes_part = steps < lengths  # (T, B)
    rows = (offsets[order] + steps)[takes_part]
    alive: list[int] = takes_part.sum(1).tolist()
    counts = torch.tensor(alive, device=offsets.device)
    later = torch.arange(alive[0], len(rows), device=offsets.device)
    before = later - counts[:-1].repeat_interleave(counts[1:])
    return TimeMajor(rows, rows.argsort(), before, alive)


def flows(t: int, truncate: int) -> bool:
    """Return whether gradients flow from step t to the step before it."""
    return t == 0 or truncate == 0 or t % truncate != 0
