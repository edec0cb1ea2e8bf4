"""Softmax and cross-entropy on given memory. Specification: layers/softmax_cross_entropy.py.

logits, probs (B, V), targets (B,), others (B,): one minus the target's probability, without the
cancellation of that difference. Rows are taken a few at a time and turned, (V, ROWS): V is 27 where
a loop wants a multiple of a vector.
"""

import math
from typing import Any

from handgrad.kernels.exponential import exp_of_negative
from handgrad.kernels.jit import kernel

ROWS = 32
NODES = (
    "logit_maxes",
    "norm_logits",
    "counts",
    "counts_sum",
    "counts_sum_inv",
    "probs",
    "logprobs",
    "loss",
)
Shapes = dict[str, tuple[int, ...]]


def memory(logits: tuple[int, ...], targets: tuple[int, ...]) -> Shapes:
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
    largest, total, at_target, rest = of_rows[0], of_rows[1], of_rows[2], of_rows[3]
    loss = 0.0
    for first in range(0, rows, ROWS):
        count = min(ROWS, rows - first)
        for r in range(count):
            for v in range(columns):
                turned[v, r] = logits[first + r, v]
        for r in range(count):
            largest[r] = turned[0, r]
        for v in range(1, columns):
            for r in range(count):
                x = turned[v, r]
                largest[r] = largest[r] if largest[r] >= x else x
        total[:] = 0
        for v in range(columns):
            for r in range(count):
                x = turned[v, r] - largest[r]
                turned[v, r] = exp_of_negative(x)
        for r in range(count):
            target = targets[first + r]
            at_target[r] = turned[target, r]
            turned[target, r] = 0
        for v in range(columns):
            for r in range(count):
                total[r] += turned[v, r]
        for r in range(count):
            rest[r] = total[r]
            total[r] += at_target[r]
            loss += math.log(total[r]) + (largest[r] - logits[first + r, targets[first + r]])
        for v in range(columns):
            for r in range(count):
                turned[v, r] /= total[r]
        for r in range(count):
            turned[targets[first + r], r] = at_target[r] / total[r]
            others[first + r] = rest[r] / total[r]
        for r in range(count):
            for v in range(columns):
                probs[first + r, v] = turned[v, r]
    mean: float = loss / rows
    return mean


@kernel
def backward(targets: Any, probs: Any, others: Any, dlogits: Any) -> None:
    """dlogits = (probs - one_hot(targets)) / B, the loss's own gradient being 1."""
    rows = probs.shape[0]
    share = probs.dtype.type(1) / probs.dtype.type(rows)
    p, d = probs.ravel(), dlogits.ravel()
    for i in range(p.size):
        d[i] = p[i] * share
    for b in range(rows):
        dlogits[b, targets[b]] = -others[b] * share


@kernel
def loss_sum(logits: Any, targets: Any, count: int) -> float:
    """The sum of the losses of the first `count` rows, nats, in float64."""
    total = 0.0
    for b in range(count):
        largest = logits[b, 0]
        for v in range(1, logits.shape[1]):
            x = logits[b, v]
            largest = largest if largest >= x else x
        exponentials = logits.dtype.type(0)
        for v in range(logits.shape[1]):
            exponentials += exp_of_negative(logits[b, v] - largest)
        total += math.log(exponentials) + (largest - logits[b, targets[b]])
    return total
