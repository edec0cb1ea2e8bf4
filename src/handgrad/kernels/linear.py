"""Linear on given memory: out = x @ W + b. Specification: layers/linear.py.

x (B, C), W (C, H), b (H,), out (B, H); W_t (H, C) is scratch for the transpose of W. Without a
bias, b and db are (0,).
"""

from typing import Any

from handgrad.kernels.jit import kernel
from handgrad.kernels.product import product, product_by_transposed, product_transposed
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.sums import column_sums

NODES = ("out",)


def memory(x: Shape, W: Shape, b: Shape | None = None) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    needed: Shapes = {"out": (x[0], W[1]), "W_t": (W[1], W[0])}
    return needed if b is not None else {**needed, "b": (0,), "db": (0,)}


@kernel
def forward(x: Any, W: Any, b: Any, out: Any, thread: int, team: Any) -> None:
    product(x, W, b, out, thread, team)


@kernel
def backward(
    dout: Any, x: Any, W: Any, dx: Any, dW: Any, db: Any, W_t: Any, thread: int, team: Any
) -> None:
    product_transposed(x, dout, dW, thread, team)
    if len(db):
        column_sums(dout, db, thread, team)
    product_by_transposed(dout, W, W_t, dx, thread, team)
