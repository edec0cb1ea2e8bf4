"""Updates on given memory. Specification: optim/optimizers.py.

`schedule` (3,): the step's learning rate, 1 - beta1**(t + 1), sqrt(1 - beta2**(t + 1));
`numbers` (4,) or more: weight decay, beta1, beta2, eps. Both float64.
"""

import math
from typing import Any

from handgrad.kernels.jit import flat, inlined, kernel
from handgrad.kernels.team import lines


@kernel
def sgd(param: Any, grad: Any, schedule: Any, numbers: Any, thread: int, team: Any) -> None:
    """Compute param -= lr (grad + weight_decay param)."""
    rate, decay = param.dtype.type(schedule[0]), param.dtype.type(numbers[0])
    p, g = flat(param), flat(grad)
    begin, end = lines(p.size, thread, team)
    if decay == 0:
        for i in range(begin, end):
            p[i] -= rate * g[i]
    else:
        for i in range(begin, end):
            p[i] -= rate * (g[i] + decay * p[i])


@inlined
def decay_of(param: Any, numbers: Any) -> Any:
    """Return the weight decay of Adam and AdamW: only matrices are decayed."""
    above_one = 0
    for size in param.shape:
        above_one += size > 1
    return numbers[0] if param.ndim == 2 and above_one == 2 else 0.0


@kernel
def adam(
    param: Any,
    grad: Any,
    first: Any,
    second: Any,
    schedule: Any,
    numbers: Any,
    thread: int,
    team: Any,
) -> None:
    """Take Adam's step with the gradient of weight decay's term added."""
    of_type = param.dtype.type
    decay = of_type(decay_of(param, numbers))
    rate, root = of_type(schedule[0] / schedule[1]), of_type(1 / schedule[2])
    beta2, eps = of_type(numbers[2]), of_type(numbers[3])
    weight1, weight2 = of_type(1 - numbers[1]), of_type(1 - numbers[2])
    p, g, m, v = flat(param), flat(grad), flat(first), flat(second)
    begin, end = lines(p.size, thread, team)
    for i in range(begin, end):
        gradient = g[i] + decay * p[i]
        m[i] += weight1 * (gradient - m[i])
        v[i] = beta2 * v[i] + weight2 * (gradient * gradient)
        p[i] -= rate * (m[i] / (math.sqrt(v[i]) * root + eps))


@kernel
def adamw(
    param: Any,
    grad: Any,
    first: Any,
    second: Any,
    schedule: Any,
    numbers: Any,
    thread: int,
    team: Any,
) -> None:
    """Apply decoupled weight decay, then Adam's step on the bias-corrected moments."""
    of_type = param.dtype.type
    keep = of_type(1 - schedule[0] * decay_of(param, numbers))
    rate, root = of_type(schedule[0] / schedule[1]), of_type(1 / schedule[2])
    beta2, eps = of_type(numbers[2]), of_type(numbers[3])
    weight1, weight2 = of_type(1 - numbers[1]), of_type(1 - numbers[2])
    p, g, m, v = flat(param), flat(grad), flat(first), flat(second)
    begin, end = lines(p.size, thread, team)
    for i in range(begin, end):
        m[i] += weight1 * (g[i] - m[i])
        v[i] = beta2 * v[i] + weight2 * (g[i] * g[i])
        p[i] = keep * p[i] - rate * (m[i] / (math.sqrt(v[i]) * root + eps))


@kernel
def add_part(grad: Any, part: Any, thread: int, team: Any) -> None:
    """Compute grad += part: the sum of the contributions of several calls."""
    g, p = flat(grad), flat(part)
    begin, end = lines(g.size, thread, team)
    for i in range(begin, end):
        g[i] += p[i]
