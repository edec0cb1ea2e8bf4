"""Join: the embeddings of a context in one row, embcat[b] = (emb[b, 0], emb[b, 1], ...).

emb (B, T, E), embcat (B, T*E). Bengio et al. 2003, section 2. Calls have the attribute k = T for
the kernel, which sees emb as rows (B*T, E).
Derivation: docs/derivations/join.md
"""

import torch
from torch import Tensor

INPUTS = ("emb",)
NODES = ("embcat",)

_Cache = torch.Size


def forward(emb: Tensor) -> tuple[Tensor, _Cache]:
    """Reshape (B, T, E) to (B, T*E); a view if the memory layout allows it."""
    return emb.reshape(emb.shape[0], -1), emb.shape


def backward(dout: Tensor, cache: _Cache) -> tuple[Tensor]:
    """Return (demb,), a copy: results of backward share no memory with dout."""
    return (dout.reshape(cache).clone(),)


def forward_chunked(emb: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward in the notebooks' one line."""
    embcat = emb.reshape(emb.shape[0], -1)  # (B, T*E)
    return embcat, {"emb": emb, "embcat": embcat}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return demb (B, T, E)."""
    # embcat = emb.reshape(emb.shape[0], -1)
    demb = dout.reshape(cache["emb"].shape).clone()
    return {"emb": demb}
