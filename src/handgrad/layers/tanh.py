"""Tanh: h = tanh(hpreact), elementwise, any shape.

The derivative depends on the output alone: 1 - h**2. Derivation: docs/derivations/tanh.md
"""

import torch
from torch import Tensor

INPUTS = ("hpreact",)
NODES = ("h",)


def forward(hpreact: Tensor) -> tuple[Tensor, Tensor]:
    """Return h and the cache, which is h: backward does not need hpreact."""
    h = torch.tanh(hpreact)
    return h, h


def backward(dout: Tensor, cache: Tensor) -> tuple[Tensor]:
    """Return (dhpreact,). 1 - h*h rounds once; dout - dout*h*h loses all digits as h nears 1."""
    h = cache
    return (torch.addcmul(_one(h), h, h, value=-1).mul_(dout),)


def forward_chunked(hpreact: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward; cache both tensors."""
    h = torch.tanh(hpreact)
    return h, {"hpreact": hpreact, "h": h}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return dhpreact with autograd's bits: both round 1 - h*h once (addcmul)."""
    h = cache["h"]
    # h = torch.tanh(hpreact)
    dhpreact = torch.addcmul(_one(h), h, h, value=-1) * dout
    return {"hpreact": dhpreact}


def _one(like: Tensor) -> Tensor:
    return torch.ones((), dtype=like.dtype, device=like.device)
