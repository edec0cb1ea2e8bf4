"""What the recurrent layers share: which words take part in a time step, and in which thread.

Words are ranked by length, the longest first, so those that take part in a step are the first ones
of the step before: the states of a step are the first rows of a matrix (B, H), in the order of
ranks. No word depends on another, so each thread takes some ranks through all their steps and waits
for no other. Everything else stays in the order of the batch.

`plan`, written once per batch, holds integers: the words in the order of their ranks (B,), then for
each step the number of words that take part, and a 0.
"""

from typing import Any

from handgrad.kernels.exponential import sigmoid, tanh
from handgrad.kernels.jit import inlined, integers, kernel
from handgrad.kernels.product import product_by_transposed, product_transposed
from handgrad.kernels.shapes import Shape
from handgrad.kernels.sums import column_sums
from handgrad.kernels.team import rows_of, wait


def plan_shape(x: Shape, offsets: Shape) -> Shape:
    """Return the shape of `plan`: at most as many steps as characters."""
    return (offsets[0] - 1 + x[0] + 2,)


@kernel
def make_plan(offsets: Any, plan: Any) -> None:
    """Rank the words by length; words of one length keep their order."""
    count = len(offsets) - 1
    words, sizes = integers(plan)[:count], integers(plan)[count:]
    longest = 0
    for b in range(count):
        longest = max(longest, offsets[b + 1] - offsets[b])
    for length in range(longest + 1):
        sizes[length] = 0
    for b in range(count):
        sizes[offsets[b + 1] - offsets[b]] += 1
    longer = 0
    for length in range(longest, 0, -1):
        same = sizes[length]
        sizes[length] = longer  # the rank of the first word of this length
        longer += same
    for b in range(count):
        length = offsets[b + 1] - offsets[b]
        words[sizes[length]] = b
        sizes[length] += 1
    # sizes[length] is now the number of words of at least this length: it moves to its step
    for t in range(longest):
        sizes[t] = sizes[t + 1]
    sizes[longest] = 0


@inlined
def ranks_of(offsets: Any, plan: Any, thread: int, team: Any) -> Any:
    """Return the thread's first rank and the one after its last: equal shares of characters."""
    words, count, threads = integers(plan), len(offsets) - 1, len(team) - 1
    tokens = offsets[count]
    begin, end, before = 0, 0, 0
    for r in range(count):
        if before * threads < tokens * thread:
            begin = r + 1
        if before * threads < tokens * (thread + 1):
            end = r + 1
        before += offsets[words[r] + 1] - offsets[words[r]]
    return begin, end


@inlined
def steps_of(offsets: Any, plan: Any, rank: int) -> int:
    """Return the number of steps of the word with this rank."""
    word = integers(plan)[rank]
    steps: int = offsets[word + 1] - offsets[word]
    return steps


@inlined
def takes_part(offsets: Any, plan: Any, t: int, end: int) -> int:
    """Return the rank after the last before `end` that takes part in step t."""
    after: int = min(end, integers(plan)[len(offsets) - 1 + t])
    return after


@inlined
def flows(t: int, truncate: int) -> bool:
    """Return whether gradients flow from step t to the step before it."""
    return t == 0 or truncate == 0 or t % truncate != 0


@kernel
def of_tokens(
    x: Any,
    hprev: Any,
    dpreact: Any,
    W: Any,
    Wx_t: Any,
    dx: Any,
    dW: Any,
    db: Any,
    thread: int,
    team: Any,
) -> None:
    """Compute dx, dW and db, where the pre-activations are [x, hprev] @ W + b."""
    channels = x.shape[1]
    product_transposed(x, dpreact, dW[:channels], thread, team)
    product_transposed(hprev, dpreact, dW[channels:], thread, team)
    of_inputs(dpreact, W, Wx_t, dx, db, thread, team)


@kernel
def of_inputs(dpreact: Any, W: Any, Wx_t: Any, dx: Any, db: Any, thread: int, team: Any) -> None:
    """Compute dx and db."""
    column_sums(dpreact, db, thread, team)
    product_by_transposed(dpreact, W[: dx.shape[1]], Wx_t, dx, thread, team)


@kernel
def begin_step(start: Any, last: Any, t: int, thread: int, team: Any) -> None:
    """Write `start` to each row of `last` if the step is the first, then wait."""
    begin, end = rows_of(last, thread, team)
    if t == 0:
        for r in range(begin, end):
            for j in range(last.shape[1]):
                last[r, j] = start[0, j]
    wait(thread, team)


@kernel
def add_and_sigmoid(x: Any, added: Any) -> None:
    """Compute x = sigmoid(x + added), one row; shorter than `added` where that has more gates."""
    for j in range(len(x)):
        x[j] = sigmoid(x[j] + added[j])


@kernel
def add_and_tanh(x: Any, added: Any) -> None:
    """Compute x = tanh(x + added), one row."""
    for j in range(len(x)):
        x[j] = tanh(x[j] + added[j])
