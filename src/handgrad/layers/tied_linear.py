"""Tied linear: out = x @ C.T + b, the logits of an embedding's own table.

x (..., E), C (V, E), b (V,) or None, out (..., V).
Press, Wolf: Using the Output Embedding to Improve Language Models, 2016, arXiv:1608.05859.
Derivation: docs/derivations/tied_linear.md
"""

import torch
from torch import Tensor

from handgrad.layers.rows import flat_rows

INPUTS = ("x", "C", "b")
NODES = ("out",)

_Cache = tuple[Tensor, Tensor, bool]


def forward(x: Tensor, C: Tensor, b: Tensor | None = None) -> tuple[Tensor, _Cache]:
    """Return x @ C.T + b, computed in one call."""
    return torch.nn.functional.linear(x, C, b), (x, C, b is not None)


def backward(dout: Tensor, cache: _Cache) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return (dx, dC, db); db is None without a bias."""
    x, C, has_bias = cache
    rows, drows = flat_rows(x), flat_rows(dout)
    return dout @ C, drows.t() @ rows, drows.sum(0) if has_bias else None


def forward_chunked(
    x: Tensor, C: Tensor, b: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward in one line."""
    out = x @ C.t() if b is None else x @ C.t() + b  # (..., V)
    cache = {"x": x, "C": C, "out": out}
    return out, cache if b is None else {**cache, "b": b}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return dx (..., E), dC (V, E) and, with a bias, db (V,)."""
    x, C = cache["x"], cache["C"]
    # out = x @ C.t() + b
    dx = dout @ C
    dC = (flat_rows(x).t() @ flat_rows(dout)).t()
    if "b" not in cache:
        return {"x": dx, "C": dC}
    db = flat_rows(dout).sum(0)
    return {"x": dx, "C": dC, "b": db}
