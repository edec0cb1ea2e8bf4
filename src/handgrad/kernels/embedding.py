"""Embedding on given memory: emb[b, t] = C[indices[b, t]]. Specification: layers/embedding.py.

indices (B, T), C (V, E), emb (B, T, E).
"""

from typing import Any

from handgrad.kernels.jit import kernel
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.team import rows_of, share

NODES = ("emb",)


def memory(indices: Shape, C: Shape) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    return {"emb": (*indices, C[1])}


@kernel
def forward(indices: Any, C: Any, emb: Any, thread: int, team: Any) -> None:
    begin, end = rows_of(indices, thread, team)
    length = indices.shape[1]
    for b in range(begin, end):
        for t in range(length):
            row = indices[b, t]
            for e in range(C.shape[1]):
                emb[b, t, e] = C[row, e]


@kernel
def backward(demb: Any, indices: Any, dC: Any, thread: int, team: Any) -> None:
    """Each thread owns rows of the vocabulary, and reads all indices."""
    rows, length = indices.shape
    begin, end = share(len(dC), 1, thread, team)
    dC[begin:end] = 0
    for b in range(rows):
        for t in range(length):
            row = indices[b, t]
            if begin <= row < end:
                for e in range(dC.shape[1]):
                    dC[row, e] += demb[b, t, e]
