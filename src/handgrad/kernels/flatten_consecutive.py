"""Flatten consecutive: k rows (N, C) in one, (N / k, C*k), is a view, and so is its gradient.

Specification: layers/flatten_consecutive.py, whose (B, T, C) are B*T rows here.
"""

from handgrad.kernels.shapes import Shape, Shapes

NODES = ("out",)
VIEW = True


def memory(x: Shape, *, k: int) -> Shapes:
    """Return the output's shape; its memory is the input's."""
    return {"out": (x[0] // k, x[1] * k)}
