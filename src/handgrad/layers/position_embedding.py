"""Position embedding: out[n] = x[n] + P[t], where t is the position of character n in its word.

x, out (N, C), offsets (B + 1,), P (T, C); word b is rows offsets[b] to offsets[b + 1] - 1.
Vaswani et al.: Attention Is All You Need, 2017, arXiv:1706.03762, section 3.5; learned as in GPT.
Derivation: docs/derivations/position_embedding.md
"""

import torch
from torch import Tensor

from handgrad.constants import POSITION_EMBEDDING_NODES

INPUTS = ("x", "offsets", "P")
NODES = POSITION_EMBEDDING_NODES

_Cache = tuple[Tensor, Tensor]


def forward(x: Tensor, offsets: Tensor, P: Tensor) -> tuple[Tensor, _Cache]:
    """Add a row of P (T, C) to each row of x. Raises IndexError for a word longer than T."""
    positions = positions_of(offsets)
    return P.index_select(0, positions).add_(x), (positions, P)


def backward(dout: Tensor, cache: _Cache) -> tuple[Tensor, None, Tensor]:
    """Return (dx, None, dP): the gradient of a position is the sum over the words that reach it."""
    positions, P = cache
    return dout.clone(), None, torch.zeros_like(P).index_add_(0, positions, dout)


def forward_chunked(x: Tensor, offsets: Tensor, P: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward one step per line; cache every step."""
    positions = positions_of(offsets)  # (N,)
    pos_emb = P[positions]  # (N, C)
    out = x + pos_emb
    given = {"x": x, "offsets": offsets, "P": P, "positions": positions}
    return out, {**given, "pos_emb": pos_emb, "out": out}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return every step's gradient; dP is added in the order of the rows, as autograd does."""
    # out = x + pos_emb
    dx = dout.clone()
    dpos_emb = dout.clone()
    # pos_emb = P[positions]
    dP = torch.zeros_like(cache["P"])
    dP.index_put_((cache["positions"],), dpos_emb, accumulate=True)
    return {"x": dx, "P": dP, "pos_emb": dpos_emb}


def step(
    x: Tensor, offsets: None, P: Tensor, *, t: int, carried: dict[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Add P[t] to x (B, C), one character of each word."""
    return x + P[t], carried


def positions_of(offsets: Tensor) -> Tensor:
    """Return the position (N,) of each character in its word."""
    first = offsets[:-1].repeat_interleave(offsets.diff())
    return torch.arange(len(first), device=offsets.device) - first
