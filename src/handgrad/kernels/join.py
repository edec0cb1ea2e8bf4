"""Join: embcat (B, T*E) is emb (B, T, E) seen otherwise, and so is its gradient: nothing to do.

Specification: layers/join.py.
"""

from handgrad.kernels.shapes import Shape, Shapes

NODES = ("embcat",)


def memory(emb: Shape) -> Shapes:
    """The output's shape; its memory is the input's."""
    return {"embcat": (emb[0], emb[1] * emb[2])}
