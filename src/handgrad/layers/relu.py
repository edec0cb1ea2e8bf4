"""ReLU: h = max(hpreact, 0), elementwise, any shape.

Nair, Hinton: Rectified Linear Units Improve Restricted Boltzmann Machines, 2010. At 0 the
derivative is taken as 0, as PyTorch does. Derivation: docs/derivations/relu.md
"""

import torch
from torch import Tensor

INPUTS = ("hpreact",)
NODES = ("h",)


def forward(hpreact: Tensor) -> tuple[Tensor, Tensor]:
    """Return h and the cache, which is h: it is positive exactly where hpreact is."""
    h = torch.relu(hpreact)
    return h, h


def backward(dout: Tensor, cache: Tensor) -> tuple[Tensor]:
    """Return (dhpreact,). An infinite dout where h is 0 gives 0, not NaN."""
    h = cache
    return (dout.masked_fill(h <= 0, 0),)


def forward_chunked(hpreact: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward; cache both tensors."""
    h = torch.relu(hpreact)
    return h, {"hpreact": hpreact, "h": h}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return dhpreact with autograd's bits."""
    # h = torch.relu(hpreact)
    dhpreact = dout * (cache["h"] > 0)
    return {"hpreact": dhpreact}
