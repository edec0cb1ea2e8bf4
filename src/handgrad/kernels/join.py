"""Join: embcat (B, T*E) is emb (B, T, E) seen otherwise, and so is its gradient: nothing to do.

Specification: layers/join.py.
"""

NODES = ("embcat",)
Shapes = dict[str, tuple[int, ...]]


def memory(emb: tuple[int, ...]) -> Shapes:
    """The output's shape; its memory is the input's."""
    return {"embcat": (emb[0], emb[1] * emb[2])}
