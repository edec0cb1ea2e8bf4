"""Softmax and cross-entropy on given memory. Specification: layers/softmax_cross_entropy.py.

logits, probs (B, V), targets (B,), others (B,): one minus the target's probability, without the
cancellation of that difference. Rows are taken a few at a time and turned, (V, ROWS): V is 27 where
a loop wants a multiple of a vector.
"""

import math
from typing import Any

from handgrad.constants import SOFTMAX_CROSS_ENTROPY_NODES
from handgrad.kernels.exponential import exp_of_negative
from handgrad.kernels.jit import flat, kernel, larger
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.transpose import transpose_part

ROWS = 32
NODES = SOFTMAX_CROSS_ENTROPY_NODES


def memory(logits: Shape, targets: Shape) -> Shapes:
    """What a call needs beside its inputs and their gradients."""
    return {
        "probs": logits,
        "others": targets,
        "turned": (logits[1], ROWS),
        "of_rows": (4, ROWS),
    }


@kernel
def forward(logits: Any, targets: Any, probs: Any, others: Any, turned: Any, of_rows: Any) -> float:
    """The mean loss, nats, summed in float64."""
    rows, columns = logits.shape
    total, at_target = of_rows[1], of_rows[2]
    loss = 0.0
    for first in range(0, rows, ROWS):
        count = min(ROWS, rows - first)
        loss += _exponentials(logits, targets, first, count, turned, of_rows)
        for r in range(count):
            others[first + r] = of_rows[3, r] / total[r]
            turned[targets[first + r], r] = at_target[r]
        for v in range(columns):
            for r in range(turned.shape[1]):
                turned[v, r] /= total[r]
        transpose_part(turned, 0, columns, count, probs, first)
    mean: float = loss / rows
    return mean


@kernel
def loss_sum(logits: Any, targets: Any, count: int, turned: Any, of_rows: Any) -> float:
    """The sum of the losses of the first `count` rows, nats, in float64."""
    loss = 0.0
    for first in range(0, count, ROWS):
        some = min(ROWS, count - first)
        loss += _exponentials(logits, targets, first, some, turned, of_rows)
    return loss


@kernel
def _exponentials(
    logits: Any, targets: Any, first: int, count: int, turned: Any, of_rows: Any
) -> float:
    """exp(logits - largest) of `count` rows from `first` on into `turned`, 0 at each target; their
    largest logits, totals, values at the targets and sums of the others into `of_rows`; the sum of
    the losses.

    All ROWS are computed whatever `count` is: no loop has a remainder.
    """
    # read from the array: a loop of a length known to the compiler is unrolled, and not vectorised
    columns, width = turned.shape
    largest, total, at_target, others = of_rows[0], of_rows[1], of_rows[2], of_rows[3]
    transpose_part(logits, first, count, columns, turned, 0)
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
    loss = 0.0
    for r in range(count):
        total[r] = others[r] + at_target[r]
        loss += math.log(total[r]) + (largest[r] - logits[first + r, targets[first + r]])
    return loss


@kernel
def backward(targets: Any, probs: Any, others: Any, dlogits: Any) -> None:
    """dlogits = (probs - one_hot(targets)) / B, the loss's own gradient being 1."""
    rows = probs.shape[0]
    share = probs.dtype.type(1) / probs.dtype.type(rows)
    p, d = flat(probs), flat(dlogits)
    for i in range(p.size):
        d[i] = p[i] * share
    for b in range(rows):
        dlogits[b, targets[b]] = -others[b] * share
