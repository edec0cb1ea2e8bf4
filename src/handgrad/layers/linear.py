"""Linear: out = x @ W + b.

x (..., C), W (C, H), b (H,) or None, out (..., H).
Derivation: docs/derivations/linear.md
"""

import torch
from torch import Tensor

from handgrad.layers.rows import flat_rows

INPUTS = ("x", "W", "b")
NODES = ("out",)

_Cache = tuple[Tensor, Tensor, bool]


def forward(x: Tensor, W: Tensor, b: Tensor | None = None) -> tuple[Tensor, _Cache]:
    """Return x @ W + b, computed in one call."""
    return torch.nn.functional.linear(x, W.t(), b), (x, W, b is not None)


def backward(dout: Tensor, cache: _Cache) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return (dx, dW, db); db is None without a bias."""
    x, W, has_bias = cache
    rows, drows = flat_rows(x), flat_rows(dout)
    return dout @ W.t(), rows.t() @ drows, drows.sum(0) if has_bias else None


def forward_chunked(
    x: Tensor, W: Tensor, b: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward in the notebooks' one line."""
    out = x @ W if b is None else x @ W + b  # (..., H)
    cache = {"x": x, "W": W, "out": out}
    return out, cache if b is None else {**cache, "b": b}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return dx (..., C), dW (C, H) and, with a bias, db (H,)."""
    x, W = cache["x"], cache["W"]
    # out = x @ W + b
    dx = dout @ W.t()
    dW = flat_rows(x).t() @ flat_rows(dout)
    if "b" not in cache:
        return {"x": dx, "W": dW}
    db = flat_rows(dout).sum(0)
    return {"x": dx, "W": dW, "b": db}
