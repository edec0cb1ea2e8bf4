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
    """Rows of C (V, E) by indices (B, T). Raises IndexError for an index outside 0 .. V-1."""
    rows = C.index_select(0, indices.reshape(-1))  # twice as fast as C[indices] at small sizes
    return rows.view(*indices.shape, C.shape[1]), (indices, C)


def backward(dout: Tensor, cache: _Cache) -> tuple[None, Tensor]:
    """(None, dC): a row that was looked up several times collects the sum of its gradients."""
    indices, C = cache
    dC = torch.zeros_like(C)
    dC.index_add_(0, indices.reshape(-1), dout.reshape(-1, C.shape[1]))
    return None, dC


def forward_chunked(indices: Tensor, C: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """As forward, in the notebooks' one line."""
    emb = C[indices]  # (B, T, E)
    return emb, {"indices": indices, "C": C, "emb": emb}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """dC (V, E). index_put_ with accumulate adds in the order of the batch, as autograd does."""
    indices, C = cache["indices"], cache["C"]
    # emb = C[indices]
    dC = torch.zeros_like(C)
    dC.index_put_((indices,), dout, accumulate=True)
    return {"C": dC}
