"""Tied linear on given memory: out = x @ C.T + b. Specification: layers/tied_linear.py.

x (N, E), C (V, E), b (V,), out (N, V); C_t (E, V) is scratch for the transpose of C.
"""

from typing import Any

from handgrad.kernels.jit import kernel
from handgrad.kernels.product import product, product_by_transposed_plus, product_transposed
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.sums import column_sums

NODES = ("out",)


def memory(x: Shape, C: Shape, b: Shape | None = None) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    needed: Shapes = {"out": (x[0], C[0]), "C_t": (C[1], C[0])}
    return needed if b is not None else {**needed, "b": (0,), "db": (0,)}


@kernel
def forward(x: Any, C: Any, b: Any, out: Any, C_t: Any, thread: int, team: Any) -> None:
    product_by_transposed_plus(x, C, C_t, b, out, thread, team)


@kernel
def backward(dout: Any, x: Any, C: Any, dx: Any, dC: Any, db: Any, thread: int, team: Any) -> None:
    product_transposed(dout, x, dC, thread, team)
    if len(db):
        column_sums(dout, db, thread, team)
    product(dout, C, C[0, :0], dx, thread, team)
