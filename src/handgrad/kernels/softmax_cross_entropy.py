"""Softmax and cross-entropy on given memory. Specification: layers/softmax_cross_entropy.py.

logits, probs (B, V), targets (B,), others (B,): one minus the target's probability, without the
cancellation of that difference; per_row (B,), the losses. Rows are taken a few at a time and
turned, (V, ROWS): V is 27 where a loop wants a multiple of a vector.
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
NODES = SOFTMAX_CROSS_ENTROPY_NODES
PER_THREAD = ("turned", "of_rows")
"""Scratch of which every thread has its own."""


def memory(logits: Shape, targets: Shape) -> Shapes:
    """What a call needs beside its inputs and their gradients."""
    return {
        "probs": logits,
        "others": targets,
        "per_row": targets,
        "turned": (logits[1], ROWS),
        "of_rows": (5, ROWS),
    }


@kernel
def forward(
    logits: Any,
    targets: Any,
    probs: Any,
    others: Any,
    per_row: Any,
    turned: Any,
    of_rows: Any,
    thread: int,
    team: Any,
) -> None:
    """Each row's loss, nats; `mean` has the batch's."""
    columns = logits.shape[1]
    total, at_target = of_rows[1], of_rows[2]
    begin, end = rows_of(logits, thread, team)
    for first in range(begin, end, ROWS):
        count = min(ROWS, end - first)
        _exponentials(logits, targets, first, count, turned, of_rows)
        for r in range(count):
            per_row[first + r] = of_rows[4, r]
            others[first + r] = of_rows[3, r] / total[r]
            turned[targets[first + r], r] = at_target[r]
        for v in range(columns):
            for r in range(turned.shape[1]):
                turned[v, r] /= total[r]
        transpose_part(turned, 0, columns, count, probs, first, 0)


@kernel
def mean(per_row: Any) -> float:
    """Summed in float64."""
    total = 0.0
    for b in range(len(per_row)):
        total += per_row[b]
    result: float = total / len(per_row)
    return result


@kernel
def loss_sum(logits: Any, targets: Any, count: int, turned: Any, of_rows: Any) -> float:
    """The sum of the losses of the first `count` rows, nats, in float64."""
    loss = 0.0
    for first in range(0, count, ROWS):
        some = min(ROWS, count - first)
        _exponentials(logits, targets, first, some, turned, of_rows)
        for r in range(some):
            loss += of_rows[4, r]
    return loss


@kernel
def _exponentials(
    logits: Any, targets: Any, first: int, count: int, turned: Any, of_rows: Any
) -> None:
    """exp(logits - largest) of `count` rows from `first` on into `turned`, 0 at each target; their
    largest logits, totals, values at the targets, sums of the others and losses into `of_rows`.

    All ROWS are computed whatever `count` is: no loop has a remainder.
    """
    # read from the array: a loop of a length known to the compiler is unrolled, and not vectorised
    columns, width = turned.shape
    largest, total, at_target, others = of_rows[0], of_rows[1], of_rows[2], of_rows[3]
    transpose_part(logits, first, count, columns, turned, 0, 0)
    for r in range(width):
        largest[r] = turned[0, r]
        others[r] = 0
    for v in range(1, columns):
        for r in range(width):
            largest[r] = larger(turned[v, r], largest[r])
    for v in range(columns):
        for r in range(width):
            turned[v, r] = exp_of_negative(turned[v, r] - largest[r])
    for r in range(count):
        target = targets[first + r]
        at_target[r] = turned[target, r]
        turned[target, r] = 0
    for v in range(columns):
        for r in range(width):
            others[r] += turned[v, r]
    for r in range(count):
        total[r] = others[r] + at_target[r]
        difference = largest[r] - logits[first + r, targets[first + r]]
        of_rows[4, r] = math.log(total[r]) + difference


@kernel
def backward(targets: Any, probs: Any, others: Any, dlogits: Any, thread: int, team: Any) -> None:
    """dlogits = (probs - one_hot(targets)) / B, the loss's own gradient being 1."""
    rows = len(probs)
    weight = probs.dtype.type(1) / probs.dtype.type(rows)
    p, d = flat(probs), flat(dlogits)
    begin, end = numbers_of(probs, thread, team)
    for i in range(begin, end):
        d[i] = p[i] * weight
    first, last = rows_of(probs, thread, team)
    for b in range(first, last):
        dlogits[b, targets[b]] = -others[b] * weight
