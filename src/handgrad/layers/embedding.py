"""Embedding: emb[b, t] = C[indices[b, t]].

indices (B, T) integers, C (V, E), emb (B, T, E).
Bengio, Ducharme, Vincent, Jauvin: A Neural Probabilistic Language Model, 2003.
Derivation: docs/derivations/embedding.md
"""

import torch
from torch import Tensor

INPUTS = ("indices", "C")
NODES = ("emb",)

_Cache = tuple[Tensor, Tensor]


def forward(indices: Tensor, C: Tensor) -> tuple[Tensor, _Cache]:
    """Look up rows of C (V, E) by indices (B, T). Raises IndexError outside 0 .. V-1."""
    rows = C.index_select(0, indices.reshape(-1))  # twice as fast as C[indices] at small sizes
    return rows.view(*indices.shape, C.shape[1]), (indices, C)


def backward(dout: Tensor, cache: _Cache) -> tuple[None, Tensor]:
    """Return (None, dC): the gradient of a row is the sum over its lookups."""
    indices, C = cache
    dC = torch.zeros_like(C)
    dC.index_add_(0, indices.reshape(-1), dout.reshape(-1, C.shape[1]))
    return None, dC


def forward_chunked(indices: Tensor, C: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward in the notebooks' one line."""
    emb = C[indices]  # (B, T, E)
    return emb, {"indices": indices, "C": C, "emb": emb}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return dC (V, E). index_put_ with accumulate adds in batch order, as autograd does."""
    indices, C = cache["indices"], cache["C"]
    # emb = C[indices]
    dC = torch.zeros_like(C)
    dC.index_put_((indices,), dout, accumulate=True)
    return {"C": dC}
