"""Softmax and cross-entropy on given memory. Specification: layers/softmax_cross_entropy.py.

logits, probs (N, V), targets (N,), below 0 where a row is ignored, others (N,): one minus the
target's probability, without the cancellation of that difference; per_row (N,), the losses. Rows
are processed a few at a time and transposed, (V, ROWS): V is 27, but a loop should cover a multiple
of a vector.
"""

import math
from typing import Any

from handgrad.constants import SOFTMAX_CROSS_ENTROPY_NODES
from handgrad.kernels.exponential import exp_of_negative
from handgrad.kernels.jit import flat, kernel, larger
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.team import numbers_of, rows_of
from handgrad.kernels.transpose import transpose_part

ROWS = 32
IGNORED = -1.0
"""Stands in per_row for the loss of an ignored row; a loss is at least 0."""
NODES = SOFTMAX_CROSS_ENTROPY_NODES
PER_THREAD = ("transposed", "of_rows")
"""Scratch that every thread needs a copy of."""


def memory(logits: Shape, targets: Shape) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    return {
        "probs": logits,
        "others": targets,
        "per_row": targets,
        "transposed": (logits[1], ROWS),
        "of_rows": (5, ROWS),
    }


@kernel
def forward(
    logits: Any,
    targets: Any,
    probs: Any,
    others: Any,
    per_row: Any,
    transposed: Any,
    of_rows: Any,
    thread: int,
    team: Any,
) -> None:
    """Compute each row's loss, in nats; `mean` computes the batch's."""
    columns = logits.shape[1]
    total, at_target = of_rows[1], of_rows[2]
    begin, end = rows_of(logits, thread, team)
    for first in range(begin, end, ROWS):
        count = min(ROWS, end - first)
        _exponentials(logits, targets, first, count, transposed, of_rows)
        for r in range(count):
            per_row[first + r] = of_rows[4, r]
            others[first + r] = of_rows[3, r] / total[r]
            if targets[first + r] >= 0:
                transposed[targets[first + r], r] = at_target[r]
        for v in range(columns):
            for r in range(transposed.shape[1]):
                transposed[v, r] /= total[r]
        transpose_part(transposed, 0, columns, count, probs, first, 0)


@kernel
def mean(per_row: Any) -> float:
    """Return the mean over the rows that are not ignored, summed in float64; NaN without any."""
    total, kept = 0.0, 0
    for b in range(len(per_row)):
        if per_row[b] != IGNORED:
            total += per_row[b]
            kept += 1
    result: float = total / kept
    return result


@kernel
def loss_sum(logits: Any, targets: Any, count: int, transposed: Any, of_rows: Any) -> float:
    """Return the sum of the losses of the first `count` rows, in nats, float64."""
    loss = 0.0
    for first in range(0, count, ROWS):
        rows = min(ROWS, count - first)
        _exponentials(logits, targets, first, rows, transposed, of_rows)
        for r in range(rows):
            if targets[first + r] >= 0:
                loss += of_rows[4, r]
    return loss


@kernel
def _exponentials(
    logits: Any, targets: Any, first: int, count: int, transposed: Any, of_rows: Any
) -> None:
    """Write exp(logits - largest) of rows from `first` on to `transposed`, 0 at each target.

    `of_rows` receives the largest logit, the total, the value at the target, the sum of the others
    and the loss of each row. All ROWS are computed whatever `count` is: no loop has a remainder.
    """
    # read from the array: the compiler unrolls a loop of constant length and does not vectorise it
    columns, width = transposed.shape
    largest, total, at_target, others = of_rows[0], of_rows[1], of_rows[2], of_rows[3]
    transpose_part(logits, first, count, columns, transposed, 0, 0)
    for r in range(width):
        largest[r] = transposed[0, r]
        others[r] = 0
    for v in range(1, columns):
        for r in range(width):
            largest[r] = larger(transposed[v, r], largest[r])
    for v in range(columns):
        for r in range(width):
            transposed[v, r] = exp_of_negative(transposed[v, r] - largest[r])
    for r in range(count):
        target = targets[first + r]
        at_target[r] = 0
        if target >= 0:
            at_target[r] = transposed[target, r]
            transposed[target, r] = 0
    for v in range(columns):
        for r in range(width):
            others[r] += transposed[v, r]
    for r in range(count):
        total[r] = others[r] + at_target[r]
        of_rows[4, r] = IGNORED
        if targets[first + r] >= 0:
            difference = largest[r] - logits[first + r, targets[first + r]]
            of_rows[4, r] = math.log(total[r]) + difference


@kernel
def backward(targets: Any, probs: Any, others: Any, dlogits: Any, thread: int, team: Any) -> None:
    """Compute dlogits = (probs - one_hot(targets)) / n; the loss's gradient is 1.

    n rows are not ignored; those that are get 0.
    """
    kept = 0
    for b in range(len(targets)):
        kept += targets[b] >= 0
    weight = probs.dtype.type(1) / probs.dtype.type(kept)
    p, d = flat(probs), flat(dlogits)
    begin, end = numbers_of(probs, thread, team)
    for i in range(begin, end):
        d[i] = p[i] * weight
    first, last = rows_of(probs, thread, team)
    for b in range(first, last):
        if targets[b] >= 0:
            dlogits[b, targets[b]] = -others[b] * weight
        else:
            for v in range(probs.shape[1]):
                dlogits[b, v] = 0
