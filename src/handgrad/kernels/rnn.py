"""The RNN through time on given memory. Specification: layers/rnn.py.

x (N, C), offsets (B + 1,), start (1, H), W (C + H, H), b (H,), xpreact, h, hprev (N, H). What the
input adds to the pre-activations is one product for all characters, as is the gradient of W; a step
is one product of the states of its words. Those and what is computed from them are scratch (B, H),
in the order of ranks of kernels/recurrent.py.
"""

from typing import Any

from handgrad.constants import RECURRENT_NODES
from handgrad.kernels.exponential import tanh
from handgrad.kernels.jit import integers, kernel
from handgrad.kernels.product import product, product_part
from handgrad.kernels.recurrent import (
    begin_step,
    flows,
    make_plan,
    of_tokens,
    plan_shape,
    ranks_of,
    steps_of,
    takes_part,
)
from handgrad.kernels.shapes import Shape, Shapes
from handgrad.kernels.sums import column_sums
from handgrad.kernels.team import rows_of, wait
from handgrad.kernels.transpose import transpose

NODES = RECURRENT_NODES


def memory(x: Shape, offsets: Shape, start: Shape, W: Shape, b: Shape) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    tokens, words, width = x[0], offsets[0] - 1, W[1]
    return {
        "xpreact": (tokens, width),
        "h": (tokens, width),
        "hprev": (tokens, width),
        "dpreact": (tokens, width),
        "state": (words, width),
        "room": (words, width),
        "plan": plan_shape(x, offsets),
        "Wx_t": (width, x[1]),
        "Wh_t": (width, width),
    }


def carried(x: Shape, offsets: Shape, start: Shape, W: Shape, b: Shape) -> Shapes:
    """Return the memory that `step` needs from one character of a word to the next."""
    return {"last": (x[0], W[1])}


@kernel
def forward(
    x: Any,
    offsets: Any,
    start: Any,
    W: Any,
    b: Any,
    xpreact: Any,
    h: Any,
    hprev: Any,
    state: Any,
    room: Any,
    plan: Any,
    thread: int,
    team: Any,
) -> None:
    if thread == 0:
        make_plan(offsets, plan)
    channels, width = x.shape[1], W.shape[1]
    product(x, W[:channels], b, xpreact[: len(x)], thread, team)
    wait(thread, team)
    begin, end = ranks_of(offsets, plan, thread, team)
    words, of_state = integers(plan), W[channels:]
    for r in range(begin, end):
        for j in range(width):
            state[r, j] = start[0, j]
    steps = steps_of(offsets, plan, begin) if begin < end else 0
    for t in range(steps):
        after = takes_part(offsets, plan, t, end)
        product_part(state, of_state, room, begin, after, 0, width)
        for r in range(begin, after):
            row = offsets[words[r]] + t
            for j in range(width):
                hprev[row, j] = state[r, j]
            for j in range(width):
                state[r, j] = tanh(xpreact[row, j] + room[r, j])
            for j in range(width):
                h[row, j] = state[r, j]


@kernel
def backward(
    dh: Any,
    x: Any,
    offsets: Any,
    W: Any,
    h: Any,
    hprev: Any,
    dx: Any,
    dstart: Any,
    dW: Any,
    db: Any,
    dpreact: Any,
    state: Any,
    room: Any,
    plan: Any,
    Wx_t: Any,
    Wh_t: Any,
    truncate: int,
    thread: int,
    team: Any,
) -> None:
    """Go back through time, then compute the products of all characters.

    `state` is a step's dpreact; `room` receives the gradient of the states before the step.
    """
    tokens, channels = x.shape
    one, width = h.dtype.type(1), W.shape[1]
    transpose(W[channels:], Wh_t, thread, team)
    wait(thread, team)
    begin, end = ranks_of(offsets, plan, thread, team)
    words, later = integers(plan), begin
    steps = steps_of(offsets, plan, begin) if begin < end else 0
    for back in range(steps):
        t = steps - 1 - back
        after = takes_part(offsets, plan, t, end)
        for r in range(begin, after):
            row = offsets[words[r]] + t
            if r < later:
                for j in range(width):
                    state[r, j] = (dh[row, j] + room[r, j]) * (one - h[row, j] * h[row, j])
            else:
                for j in range(width):
                    state[r, j] = dh[row, j] * (one - h[row, j] * h[row, j])
            for j in range(width):
                dpreact[row, j] = state[r, j]
        later = begin
        if flows(t, truncate):
            product_part(state, Wh_t, room, begin, after, 0, width)
            later = after
    wait(thread, team)
    column_sums(room[: len(offsets) - 1], dstart[0], thread, team)
    of_tokens(x, hprev[:tokens], dpreact[:tokens], W, Wx_t, dx, dW, db, thread, team)


@kernel
def step(
    x: Any,
    start: Any,
    W: Any,
    b: Any,
    xpreact: Any,
    h: Any,
    room: Any,
    last: Any,
    t: int,
    thread: int,
    team: Any,
) -> None:
    """Compute the states after character t of each word, x (B, C); `last` are those before it."""
    channels, width = x.shape[1], W.shape[1]
    begin_step(start, last, t, thread, team)
    product(x, W[:channels], b, xpreact, thread, team)
    product(last, W[channels:], b[:0], room, thread, team)
    wait(thread, team)
    begin, end = rows_of(x, thread, team)
    for r in range(begin, end):
        for j in range(width):
            h[r, j] = tanh(xpreact[r, j] + room[r, j])
        for j in range(width):
            last[r, j] = h[r, j]
