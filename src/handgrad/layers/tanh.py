"""Tanh: h = tanh(hpreact), elementwise, any shape.

The derivative needs the output alone: 1 - h**2. Derivation: docs/derivations/tanh.md
"""

import torch
from torch import Tensor

INPUTS = ("hpreact",)
NODES = ("h",)


def forward(hpreact: Tensor) -> tuple[Tensor, Tensor]:
    """The cache is the output: it serves the backward, and hpreact need not be kept."""
    h = torch.tanh(hpreact)
    return h, h


def backward(dout: Tensor, cache: Tensor) -> tuple[Tensor]:
    """(dhpreact,). 1 - h*h rounds once; dout - dout*h*h would lose every digit where h nears 1."""
    h = cache
    return (torch.addcmul(_one(h), h, h, value=-1).mul_(dout),)


def forward_chunked(hpreact: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """As forward."""
    h = torch.tanh(hpreact)
    return h, {"hpreact": hpreact, "h": h}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """dhpreact, in autograd's bits: its tanh backward rounds 1 - h*h once, as addcmul does."""
    h = cache["h"]
    # h = torch.tanh(hpreact)
    dhpreact = torch.addcmul(_one(h), h, h, value=-1) * dout
    return {"hpreact": dhpreact}


def _one(like: Tensor) -> Tensor:
    return torch.ones((), dtype=like.dtype, device=like.device)
