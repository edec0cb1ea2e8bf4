"""Split: three equal parts along the last axis, q, k, v = x[..., :C], x[..., C:2C], x[..., 2C:].

x (..., 3C); q, k and v are (..., C). One product then computes all three of attention's inputs.
Derivation: docs/derivations/split.md
"""

import torch
from torch import Tensor

from handgrad.errors import SettingsError

INPUTS = ("x",)
NODES = ("q", "k", "v")
OUTPUTS = NODES

_Outputs = tuple[Tensor, Tensor, Tensor]


def forward(x: Tensor) -> tuple[_Outputs, None]:
    """Return three views of x. Raises SettingsError unless 3 divides the last dimension."""
    return _parts(x), None


def backward(dout: _Outputs, cache: None) -> tuple[Tensor]:
    """Return (dx,), the three gradients side by side."""
    return (torch.cat(dout, -1),)


def forward_chunked(x: Tensor) -> tuple[_Outputs, dict[str, Tensor]]:
    """Compute forward in one line."""
    q, k, v = _parts(x)  # (..., C) each
    return (q, k, v), {"x": x, "q": q, "k": k, "v": v}


def backward_chunked(dout: _Outputs, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return dx (..., 3C)."""
    dq, dk, dv = dout
    # q, k, v = x.chunk(3, -1)
    dx = torch.cat((dq, dk, dv), -1)
    return {"x": dx}


def _parts(x: Tensor) -> _Outputs:
    if x.shape[-1] % 3:
        raise SettingsError(f"split needs a last dimension that 3 divides, got {x.shape[-1]}")
    q, k, v = x.chunk(3, -1)
    return q, k, v
