"""Causal mean: out[t] = (x[0] + ... + x[t]) / (t + 1) in each word, a bag of the words so far.

x (N, C), offsets (B + 1,), out (N, C); word b is rows offsets[b] to offsets[b + 1] - 1. It is
attention with equal weights (makemore's CausalBoW). Derivation: docs/derivations/causal_mean.md
"""

from typing import NamedTuple

import torch
from torch import Tensor

from handgrad.constants import CAUSAL_MEAN_NODES
from handgrad.layers.position_embedding import positions_of

INPUTS = ("x", "offsets")
NODES = CAUSAL_MEAN_NODES


class _Cache(NamedTuple):
    positions: Tensor  # (N,), t of each character
    words: Tensor  # (N,), b of each character


def forward(x: Tensor, offsets: Tensor) -> tuple[Tensor, _Cache]:
    """Return the mean of each character and the earlier ones of its word."""
    cache = _places(offsets)
    return _running(x, *cache).div_(_counts(cache.positions, x)), cache


def backward(dout: Tensor, cache: _Cache) -> tuple[Tensor, None]:
    """Return (dx, None): dx[t] = dout[t] / (t + 1) + dx[t + 1], a running sum from the end."""
    positions, words = cache
    lengths = torch.bincount(words)
    from_end = lengths[words] - 1 - positions
    return _running(dout / _counts(positions, dout), from_end, words), None


def forward_chunked(x: Tensor, offsets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward one step per line; cache every step."""
    positions, words = _places(offsets)
    sums = _running(x, positions, words)  # (N, C)
    out = sums / _counts(positions, x)
    steps = {"positions": positions, "words": words, "sums": sums, "out": out}
    return out, {"x": x, "offsets": offsets, **steps}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return every step's gradient."""
    positions, words, offsets = cache["positions"], cache["words"], cache["offsets"]
    # out = sums / counts
    dsums = dout / _counts(positions, dout)
    # sums = x.cumsum(0) in each word
    from_end = (offsets.diff() - 1)[words] - positions
    dx = _running(dsums, from_end, words)
    return {"x": dx, "sums": dsums}


def step(
    x: Tensor, offsets: None, *, t: int, carried: dict[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the mean (B, C) for one character x (B, C) of each word; the sum is carried."""
    sums = carried["sums"] + x if t else x
    return sums / (t + 1), {"sums": sums}


def _places(offsets: Tensor) -> _Cache:
    """Return the position of each character in its word, and the number of the word."""
    lengths = offsets.diff()
    words = torch.arange(len(lengths), device=offsets.device).repeat_interleave(lengths)
    return _Cache(positions_of(offsets), words)


def _running(x: Tensor, positions: Tensor, words: Tensor) -> Tensor:
    """Return the sum of each character of x (N, C) and those of its word at smaller positions.

    Words are padded to one length for this: a running sum over all characters minus its value
    before the word would lose digits.
    """
    shape = int(positions.max()) + 1, int(words[-1]) + 1, x.shape[1]
    padded = x.new_zeros(shape).index_put((positions, words), x)  # (T, B, C)
    return padded.cumsum(0)[positions, words]


def _counts(positions: Tensor, like: Tensor) -> Tensor:
    """Return t + 1 of each character, (N, 1)."""
    return (positions + 1).to(like.dtype).unsqueeze(1)
