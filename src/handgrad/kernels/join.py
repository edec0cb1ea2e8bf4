"""Join: embcat (B, T*E) is a view of emb (B, T, E), and so is its gradient: no kernels are needed.

Specification: layers/join.py.
"""

from handgrad.kernels.shapes import Shape, Shapes

NODES = ("embcat",)


def memory(emb: Shape) -> Shapes:
    """Return the output's shape; its memory is the input's."""
    return {"embcat": (emb[0], emb[1] * emb[2])}
