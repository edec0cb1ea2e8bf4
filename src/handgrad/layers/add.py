"""Add: out = x + y, a residual connection. x, y and out have one shape.

He, Zhang, Ren, Sun: Deep Residual Learning, 2015, arXiv:1512.03385.
Derivation: docs/derivations/add.md
"""

from torch import Tensor

INPUTS = ("x", "y")
NODES = ("out",)


def forward(x: Tensor, y: Tensor) -> tuple[Tensor, None]:
    """Return the sum; backward needs nothing."""
    return x + y, None


def backward(dout: Tensor, cache: None) -> tuple[Tensor, Tensor]:
    """Return (dx, dy), two copies: results of backward share no memory with dout."""
    return dout.clone(), dout.clone()


def forward_chunked(x: Tensor, y: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward in one line."""
    out = x + y
    return out, {"x": x, "y": y, "out": out}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return dx and dy: each summand receives the whole gradient."""
    # out = x + y
    dx = dout.clone()
    dy = dout.clone()
    return {"x": dx, "y": dy}
