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
    """(dhpreact,) = (dout - dout * h * h,), of which the last product and the difference round once."""
    return (torch.addcmul(dout, dout * cache, cache, value=-1),)


def forward_chunked(hpreact: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """As forward."""
    h = torch.tanh(hpreact)
    return h, {"hpreact": hpreact, "h": h}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """dhpreact, in autograd's bits: its tanh backward rounds 1 - h*h once, as addcmul does."""
    h = cache["h"]
    # h = torch.tanh(hpreact)
    one = torch.ones((), dtype=h.dtype, device=h.device)
    dhpreact = torch.addcmul(one, h, h, value=-1) * dout
    return {"hpreact": dhpreact}
