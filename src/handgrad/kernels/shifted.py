"""Sums of products of rows that are shifted against each other, a vector of columns at a time.

All rows are in one array; a place in it is an index into the flattened array. Specification:
layers/attention.py, for which these are the products. A vector is a few neighbouring columns.
"""

from typing import Any

from handgrad.kernels.jit import flat, inlined, kernel
from handgrad.kernels.lanes import (
    exp_lanes,
    fill,
    lanes,
    largest,
    load,
    minus,
    multiply_add,
    over,
    plus,
    store,
    sum_of_one,
    sums_of_four,
    times,
    where_reached,
)
from handgrad.kernels.team import share
from handgrad.kernels.transpose import transpose_block

KEPT = 16
"""Keys at a time; a multiple of 4, as `products` computes four sums at once."""
PAD = 32
"""Zeros between two rows of work, for what a shifted vector reads beyond its row: a vector of at
most 16 numbers and KEPT more on the right."""


@kernel
def products(
    work: Any,
    a: int,
    step_a: int,
    b: int,
    step_b: int,
    next_b: int,
    length: int,
    out: int,
    next_out: int,
    count: int,
    add: bool,
) -> None:
    """Compute out[r] = sum over n of a[n] b[n, r], plus out[r] before if `add`, for r < `count`.

    All are vectors of `work`: a[n] at a + n step_a, b[n, r] at b + n step_b + r next_b, out[r] at
    out + r next_out. Four sums at once share the loads of a.
    """
    whole = count - count % 4
    for r in range(0, whole, 4):
        at_b, at_out = b + r * next_b, out + r * next_out
        sums_of_four(work, a, step_a, at_b, step_b, next_b, length, at_out, next_out, add)
    for r in range(whole, count):
        at_b, at_out = b + r * next_b, out + r * next_out
        sum_of_one(work, a, step_a, at_b, step_b, next_b, length, at_out, next_out, add)


@kernel
def softmax(
    work: Any, scores: int, row: int, reach: int, scale: float, count: int, filled: int
) -> None:
    """Overwrite scores by weights; 0 where m is beyond the vector at `reach`, and up to `filled`.

    Score m is at scores + m row, m < `count`; each lane has at least one.
    """
    of_type = work.dtype.type
    zero, factor = fill(work, of_type(0)), fill(work, of_type(scale))
    last = load(work, reach)
    top = load(work, scores)
    for m in range(1, count):
        top = largest(top, where_reached(last, of_type(m), load(work, scores + m * row), top))
    total = zero
    for m in range(count):
        at = scores + m * row
        weight = exp_lanes(times(minus(load(work, at), top), factor))
        weight = where_reached(last, of_type(m), weight, zero)
        store(work, at, weight)
        total = plus(total, weight)
    share = over(fill(work, of_type(1)), total)
    for m in range(count):
        store(work, scores + m * row, times(load(work, scores + m * row), share))
    for m in range(count, filled):
        store(work, scores + m * row, zero)


@kernel
def softmax_more(
    work: Any,
    scores: int,
    row: int,
    reach: int,
    scale: float,
    first: int,
    count: int,
    tops: int,
    totals: int,
    out: int,
    channels: int,
) -> None:
    """Continue a softmax by scores `first` .. `first` + `count` - 1 of each lane.

    The vectors at `tops` and `totals` are the largest score so far and the sum of exponentials
    relative to it; earlier terms of that sum and of out[r], r < `channels`, are rescaled.
    """
    of_type = work.dtype.type
    zero, factor = fill(work, of_type(0)), fill(work, of_type(scale))
    last = load(work, reach)
    before = load(work, tops) if first else load(work, scores)
    top = before
    for m in range(count):
        at = scores + m * row
        top = largest(top, where_reached(last, of_type(first + m), load(work, at), top))
    total = zero
    if first:
        shrink = exp_lanes(times(minus(before, top), factor))
        total = times(load(work, totals), shrink)
        for r in range(channels):
            store(work, out + r * row, times(load(work, out + r * row), shrink))
    for m in range(count):
        at = scores + m * row
        weight = exp_lanes(times(minus(load(work, at), top), factor))
        weight = where_reached(last, of_type(first + m), weight, zero)
        store(work, at, weight)
        total = plus(total, weight)
    store(work, tops, top)
    store(work, totals, total)


@kernel
def weights_again(
    work: Any,
    scores: int,
    row: int,
    reach: int,
    scale: float,
    first: int,
    count: int,
    logsumexp: int,
    step: int,
) -> None:
    """Overwrite scores by exp(scale score - logsumexp), as `softmax`; the latter at + m step."""
    of_type = work.dtype.type
    zero, factor = fill(work, of_type(0)), fill(work, of_type(scale))
    last = load(work, reach)
    for m in range(count):
        at = scores + m * row
        exponent = minus(times(load(work, at), factor), load(work, logsumexp + m * step))
        store(work, at, where_reached(last, of_type(first + m), exp_lanes(exponent), zero))


@kernel
def scores_back(
    work: Any,
    weights: int,
    dweights: int,
    row: int,
    delta: int,
    step: int,
    scale: float,
    count: int,
    filled: int,
) -> None:
    """Overwrite dweights by scale * weights * (dweights - delta), 0 up to `filled`."""
    factor, zero = fill(work, work.dtype.type(scale)), fill(work, work.dtype.type(0))
    for m in range(count):
        at = dweights + m * row
        centred = minus(load(work, at), load(work, delta + m * step))
        store(work, at, times(times(load(work, weights + m * row), factor), centred))
    for m in range(count, filled):
        store(work, dweights + m * row, zero)


@kernel
def dot(work: Any, a: int, b: int, row: int, length: int, out: int) -> None:
    """Compute the vector at `out` as the sum of the products of rows of a and b."""
    total = fill(work, work.dtype.type(0))
    for n in range(length):
        total = multiply_add(load(work, a + n * row), load(work, b + n * row), total)
    store(work, out, total)


@kernel
def turn(x: Any, begin: int, end: int, work: Any, row: int) -> None:
    """Transpose rows begin .. end - 1 of x to columns of work, from `row` on."""
    transpose_block(x, begin, 0, end - begin, x.shape[1], work, row, begin)


@kernel
def clear_around(work: Any, tokens: int, rows: int, first: int, thread: int, team: Any) -> None:
    """Write zeros after the numbers of rows first .. first + rows, and before the next row's."""
    begin, end = share(rows + 1, 1, thread, team)
    width, zero = work.shape[1], fill(work, work.dtype.type(0))
    for row in range(first + begin, first + end):
        for i in range(0, PAD, lanes(work)):
            store(work, row * width + tokens + i, zero)
            store(work, (row + 1) * width - PAD + i, zero)


@kernel
def clear_after(work: Any, tokens: int, place: int, rows: int) -> None:
    """Write zeros after the last vector of each row: keys near the end read weights from there."""
    width = lanes(work)
    zero = fill(work, work.dtype.type(0))
    after = place + (tokens + width - 1) // width * width
    for row in range(rows):
        for i in range(0, KEPT, width):
            store(work, after + row * work.shape[1] + i, zero)


@kernel
def write_positions(work: Any, offsets: Any, place: int, tokens: int, begin: int, end: int) -> None:
    """Write how many of its word are before and after each character, 0 beyond the last."""
    row = place // work.shape[1]
    for b in range(len(offsets) - 1):
        for i in range(max(begin, offsets[b]), min(end, offsets[b + 1])):
            work[row, i] = i - offsets[b]
            work[row + 1, i] = offsets[b + 1] - 1 - i
    if end == tokens:
        for i in range(end, min(end + PAD, work.shape[1])):
            work[row, i] = 0
            work[row + 1, i] = 0


@inlined
def reach_of(work: Any, reach: int) -> int:
    """Return the largest number of the vector at `reach`, plus 1."""
    numbers, largest = flat(work), 0
    for lane in range(lanes(work)):
        largest = max(largest, int(numbers[reach + lane]))
    return largest + 1


@inlined
def longest_of(offsets: Any) -> int:
    """Return the number of characters of the longest word."""
    longest = 0
    for b in range(len(offsets) - 1):
        longest = max(longest, offsets[b + 1] - offsets[b])
    return longest
