"""Embedding on given memory: emb[b, t] = C[indices[b, t]]. Specification: layers/embedding.py.

indices (B, T) or (N,), C (V, E), emb (B*T, E) or (N, E): a row for each index.
"""

from math import prod
from typing import Any

from handgrad.kernels.jit import flat, kernel
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.team import numbers_of, share

NODES = ("emb",)


def memory(indices: Shape, C: Shape) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    return {"emb": (prod(indices), C[1])}


@kernel
def forward(indices: Any, C: Any, emb: Any, thread: int, team: Any) -> None:
    rows = flat(indices)
    begin, end = numbers_of(indices, thread, team)
    for i in range(begin, end):
        row = rows[i]
        for e in range(C.shape[1]):
            emb[i, e] = C[row, e]


@kernel
def backward(demb: Any, indices: Any, dC: Any, thread: int, team: Any) -> None:
    """Each thread owns rows of the vocabulary, and reads all indices."""
    rows = flat(indices)
    begin, end = share(len(dC), 1, thread, team)
    dC[begin:end] = 0
    for i in range(len(rows)):
        row = rows[i]
        if begin <= row < end:
            for e in range(dC.shape[1]):
                dC[row, e] += demb[i, e]
