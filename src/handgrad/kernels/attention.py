"""Causal attention on given memory. Specification: layers/attention.py.

q, k, v, out (N, C), offsets (B + 1,). A vector holds neighbouring characters of the batch, of any
words, and everything is transposed: row by row of `work`, N numbers and some zeros. Key m is the
one m characters before the query. Scores of all queries with their key m are then sums over rows of
q times rows of k shifted by m: no vector is partly empty because a word or a head is short. The
gradient of key j receives from query j + m, the same shift in the other direction.

If no word has more than KEPT characters, the weights, KEPT rows per head, are kept for backward.
Otherwise they are computed KEPT keys at a time, with running largest score and sum, and again
backward: memory is linear in N.
"""

import math
from typing import Any

from handgrad.constants import ATTENTION_NODES
from handgrad.kernels.jit import flat, inlined, kernel
from handgrad.kernels.lanes import fill, lanes, load, store, times
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.shifted import (
    KEPT,
    PAD,
    clear_after,
    clear_around,
    dot,
    longest_of,
    products,
    reach_of,
    scores_back,
    softmax,
    softmax_more,
    turn,
    weights_again,
    write_positions,
)
from handgrad.kernels.team import rows_of, wait
from handgrad.kernels.transpose import transpose_block

NODES = ATTENTION_NODES
Q, K, V, OUT, DOUT, DQ, DK, DV = range(8)
"""Parts of work, C rows each."""


def memory(q: Shape, k: Shape, v: Shape, offsets: Shape, *, heads: int) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients.

    Rows of work: one of zeros, the eight parts, the weights and their gradients (KEPT per head),
    logsumexp and delta (one per head), the characters before and after each in its word.
    """
    rows = 1 + 8 * q[1] + heads * (2 * KEPT + 2) + 2
    return {"out": q, "work": (rows, q[0] + PAD)}


def carried(q: Shape, k: Shape, v: Shape, offsets: Shape, *, heads: int, longest: int) -> Shapes:
    """Return the memory that `step` needs from one character of a word to the next.

    A column is a word; rows: C of q and C of out, `longest` scores, the position, then C for each
    character's key, and for each character's value.
    """
    return {"past": (2 * q[1] + longest + 1 + 2 * longest * q[1], -(-q[0] // PAD) * PAD)}


@inlined
def _part(work: Any, part: int, channels: int) -> Any:
    """Return the place of a part's first row."""
    return (1 + part * channels) * work.shape[1]


@inlined
def _by_head(work: Any, kind: int, channels: int, heads: int) -> Any:
    """Return the place of weights (0), dscores (1), logsumexp (2), delta (3), positions (4)."""
    rows = (0, KEPT * heads, 2 * KEPT * heads, (2 * KEPT + 1) * heads, (2 * KEPT + 2) * heads)
    return (1 + 8 * channels + rows[kind]) * work.shape[1]


@kernel
def forward(
    q: Any,
    k: Any,
    v: Any,
    offsets: Any,
    out: Any,
    work: Any,
    heads: int,
    thread: int,
    team: Any,
) -> None:
    tokens, channels = q.shape
    begin, end = rows_of(q, thread, team)
    clear_around(work, tokens, 3 * channels, 0, thread, team)
    turn(q, begin, end, work, 1 + Q * channels)
    turn(k, begin, end, work, 1 + K * channels)
    turn(v, begin, end, work, 1 + V * channels)
    write_positions(work, offsets, _by_head(work, 4, channels, heads), tokens, begin, end)
    wait(thread, team)
    kept = longest_of(offsets) <= KEPT
    for first in range(begin, end, lanes(work)):
        for head in range(heads):
            if kept:
                _attend(work, first, head, channels, heads)
            else:
                _attend_long(work, first, head, channels, heads)
    if kept and begin < end == tokens:
        clear_after(work, tokens, _by_head(work, 0, channels, heads), KEPT * heads)
    transpose_block(work, 1 + OUT * channels, begin, channels, end - begin, out, begin, 0)


@kernel
def backward(
    dout: Any,
    q: Any,
    offsets: Any,
    dq: Any,
    dk: Any,
    dv: Any,
    work: Any,
    heads: int,
    thread: int,
    team: Any,
) -> None:
    """Compute dq by vectors of queries, then dk and dv by vectors of keys."""
    tokens, channels = q.shape
    begin, end = rows_of(q, thread, team)
    clear_around(work, tokens, channels, DOUT * channels, thread, team)
    turn(dout, begin, end, work, 1 + DOUT * channels)
    wait(thread, team)
    kept = longest_of(offsets) <= KEPT
    for first in range(begin, end, lanes(work)):
        for head in range(heads):
            _queries_back(work, first, head, channels, heads, kept)
    if begin < end == tokens:
        clear_after(work, tokens, _by_head(work, 3, channels, heads), heads)
        if kept:
            clear_after(work, tokens, _by_head(work, 1, channels, heads), KEPT * heads)
    transpose_block(work, 1 + DQ * channels, begin, channels, end - begin, dq, begin, 0)
    wait(thread, team)
    for first in range(begin, end, lanes(work)):
        for head in range(heads):
            _keys_back(work, first, head, channels, heads, kept)
    transpose_block(work, 1 + DK * channels, begin, channels, end - begin, dk, begin, 0)
    transpose_block(work, 1 + DV * channels, begin, channels, end - begin, dv, begin, 0)


@kernel
def _attend(work: Any, first: int, head: int, channels: int, heads: int) -> None:
    """Compute the output of one head for a vector of queries, and keep its weights."""
    row, width = work.shape[1], channels // heads
    at = head * width * row + first
    q, k, v, out = (
        _part(work, Q, channels) + at,
        _part(work, K, channels) + at,
        _part(work, V, channels) + at,
        _part(work, OUT, channels) + at,
    )
    weights = _by_head(work, 0, channels, heads) + head * KEPT * row + first
    reach = _by_head(work, 4, channels, heads) + first
    count = reach_of(work, reach)
    rounded = (count + 3) // 4 * 4
    products(work, q, row, k, row, -1, width, weights, row, rounded, False)
    softmax(work, weights, row, reach, width**-0.5, count, KEPT)
    products(work, weights, row, v, -1, row, count, out, row, width, False)


@kernel
def _attend_long(work: Any, first: int, head: int, channels: int, heads: int) -> None:
    """Compute the output of one head for a vector of queries, KEPT keys at a time."""
    row, width = work.shape[1], channels // heads
    at = head * width * row + first
    q, k, v, out = (
        _part(work, Q, channels) + at,
        _part(work, K, channels) + at,
        _part(work, V, channels) + at,
        _part(work, OUT, channels) + at,
    )
    weights = _by_head(work, 0, channels, heads) + head * KEPT * row + first
    tops = _by_head(work, 2, channels, heads) + head * row + first
    totals = _by_head(work, 3, channels, heads) + head * row + first
    reach = _by_head(work, 4, channels, heads) + first
    count, scale = reach_of(work, reach), width**-0.5
    for m in range(0, count, KEPT):
        some = min(KEPT, count - m)
        rounded = (some + 3) // 4 * 4
        products(work, q, row, k - m, row, -1, width, weights, row, rounded, False)
        softmax_more(work, weights, row, reach, scale, m, some, tops, totals, out, width)
        products(work, weights, row, v - m, -1, row, some, out, row, width, m > 0)
    numbers = flat(work)
    for lane in range(lanes(work)):
        total = numbers[totals + lane]
        numbers[tops + lane] = numbers[tops + lane] * work.dtype.type(scale) + math.log(total)
        numbers[totals + lane] = work.dtype.type(1) / total
    share_of_each = load(work, totals)
    for r in range(width):
        store(work, out + r * row, times(load(work, out + r * row), share_of_each))


@kernel
def _queries_back(work: Any, first: int, head: int, channels: int, heads: int, kept: bool) -> None:
    """Compute delta and dq of one head for a vector of queries; keep dscores if `kept`."""
    row, width = work.shape[1], channels // heads
    at = head * width * row + first
    q, k, v = (
        _part(work, Q, channels) + at,
        _part(work, K, channels) + at,
        _part(work, V, channels) + at,
    )
    dout, dq = _part(work, DOUT, channels) + at, _part(work, DQ, channels) + at
    weights = _by_head(work, 0, channels, heads) + head * KEPT * row + first
    dscores = _by_head(work, 1, channels, heads) + head * KEPT * row + first
    logsumexp = _by_head(work, 2, channels, heads) + head * row + first
    delta = _by_head(work, 3, channels, heads) + head * row + first
    reach = _by_head(work, 4, channels, heads) + first
    count, scale = reach_of(work, reach), width**-0.5
    dot(work, dout, _part(work, OUT, channels) + at, row, width, delta)
    for m in range(0, count, KEPT):
        some = min(KEPT, count - m)
        rounded = (some + 3) // 4 * 4
        if not kept:
            products(work, q, row, k - m, row, -1, width, weights, row, rounded, False)
            weights_again(work, weights, row, reach, scale, m, some, logsumexp, 0)
        products(work, dout, row, v - m, row, -1, width, dscores, row, rounded, False)
        scores_back(work, weights, dscores, row, delta, 0, scale, some, KEPT)
        products(work, dscores, row, k - m, -1, row, some, dq, row, width, m > 0)


@kernel
def _keys_back(work: Any, first: int, head: int, channels: int, heads: int, kept: bool) -> None:
    """Compute dk and dv of one head for a vector of keys.

    Query m of a key is at its own place + m; the weights are there if they were kept.
    """
    row, width = work.shape[1], channels // heads
    at = head * width * row + first
    q, k, v = (
        _part(work, Q, channels) + at,
        _part(work, K, channels) + at,
        _part(work, V, channels) + at,
    )
    dout = _part(work, DOUT, channels) + at
    dk, dv = _part(work, DK, channels) + at, _part(work, DV, channels) + at
    weights = _by_head(work, 0, channels, heads) + head * KEPT * row + first
    dscores = _by_head(work, 1, channels, heads) + head * KEPT * row + first
    logsumexp = _by_head(work, 2, channels, heads) + head * row + first
    delta = _by_head(work, 3, channels, heads) + head * row + first
    reach = _by_head(work, 4, channels, heads) + row + first
    count, scale = reach_of(work, reach), width**-0.5
    step = row + 1 if kept else row
    for m in range(0, count, KEPT):
        some = min(KEPT, count - m)
        rounded = (some + 3) // 4 * 4
        if not kept:
            products(work, k, row, q + m, row, 1, width, weights, row, rounded, False)
            weights_again(work, weights, row, reach, scale, m, some, logsumexp + m, 1)
            products(work, v, row, dout + m, row, 1, width, dscores, row, rounded, False)
            scores_back(work, weights, dscores, row, delta + m, 1, scale, some, KEPT)
        products(work, weights, step, dout + m, 1, row, some, dv, row, width, m > 0)
        products(work, dscores, step, q + m, 1, row, some, dk, row, width, m > 0)


@kernel
def step(
    q: Any,
    k: Any,
    v: Any,
    out: Any,
    past: Any,
    heads: int,
    t: int,
    thread: int,
    team: Any,
) -> None:
    """Attend from character t of each word, q, k, v, out (B, C); `past` has its keys and values."""
    channels, row = q.shape[1], past.shape[1]
    width, token = channels // heads, channels * row
    longest = (len(past) - 2 * channels - 1) // (2 * channels + 1)
    scores = 2 * token
    keys = scores + (longest + 1) * row
    values = keys + longest * token
    begin, end = rows_of(q, thread, team)
    turn(q, begin, end, past, 0)
    turn(k, begin, end, past, keys // row + t * channels)
    turn(v, begin, end, past, values // row + t * channels)
    reach = scores + longest * row
    for first in range(begin, end, lanes(past)):
        store(past, reach + first, fill(past, past.dtype.type(t)))
        for head in range(heads):
            at = head * width * row + first
            own, count = scores + first, t + 1
            products(past, at, row, keys + at, row, token, width, own, row, count, False)
            softmax(past, own, row, reach + first, width**-0.5, count, count)
            summed = token + at
            products(past, own, row, values + at, token, row, count, summed, row, width, False)
    transpose_block(past, channels, begin, channels, end - begin, out, begin, 0)
