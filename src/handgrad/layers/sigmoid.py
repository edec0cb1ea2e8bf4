"""Sigmoid: h = 1 / (1 + exp(-hpreact)), elementwise, any shape.

The derivative depends on the output alone: h (1 - h). Derivation: docs/derivations/sigmoid.md
"""

import torch
from torch import Tensor

INPUTS = ("hpreact",)
NODES = ("h",)


def forward(hpreact: Tensor) -> tuple[Tensor, Tensor]:
    """Return h and the cache, which is h: backward does not need hpreact."""
    h = torch.sigmoid(hpreact)
    return h, h


def backward(dout: Tensor, cache: Tensor) -> tuple[Tensor]:
    """Return (dhpreact,)."""
    h = cache
    return ((1 - h).mul_(h).mul_(dout),)


def forward_chunked(hpreact: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward; cache both tensors."""
    h = torch.sigmoid(hpreact)
    return h, {"hpreact": hpreact, "h": h}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return dhpreact with autograd's bits."""
    h = cache["h"]
    # h = torch.sigmoid(hpreact)
    dhpreact = dout * (1 - h) * h
    return {"hpreact": dhpreact}
