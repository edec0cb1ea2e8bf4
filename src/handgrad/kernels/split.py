"""Split on given memory: three equal parts of each row. Specification: layers/split.py.

x (N, 3C); q, k, v (N, C).
"""

from typing import Any

from handgrad.kernels.jit import kernel
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.team import rows_of

NODES = ("q", "k", "v")


def memory(x: Shape) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    return dict.fromkeys(NODES, (x[0], x[1] // 3))


@kernel
def forward(x: Any, q: Any, k: Any, v: Any, thread: int, team: Any) -> None:
    columns = q.shape[1]
    begin, end = rows_of(x, thread, team)
    for i in range(begin, end):
        for j in range(columns):
            q[i, j] = x[i, j]
            k[i, j] = x[i, columns + j]
            v[i, j] = x[i, 2 * columns + j]


@kernel
def backward(dq: Any, dk: Any, dv: Any, dx: Any, thread: int, team: Any) -> None:
    columns = dq.shape[1]
    begin, end = rows_of(dx, thread, team)
    for i in range(begin, end):
        for j in range(columns):
            dx[i, j] = dq[i, j]
            dx[i, columns + j] = dk[i, j]
            dx[i, 2 * columns + j] = dv[i, j]
