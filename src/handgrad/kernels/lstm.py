"""The LSTM through time on given memory. Specification: layers/lstm.py.

x (N, C), offsets (B + 1,), start, cstart (1, H), W (C + H, 4 H), b (4 H,), h, hprev, cprev,
ctanh = tanh(c) (N, H), gates (N, 4 H): pre-activations by the input, then i, f, g, o. As in rnn.py,
what is one product for all characters is computed so; matrices (B, ...) are scratch in the order of
ranks.
"""

from typing import Any

from handgrad.constants import RECURRENT_NODES
from handgrad.kernels.exponential import tanh
from handgrad.kernels.jit import integers, kernel
from handgrad.kernels.product import product, product_part
from handgrad.kernels.recurrent import (
    add_and_sigmoid,
    add_and_tanh,
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


def memory(x: Shape, offsets: Shape, start: Shape, cstart: Shape, W: Shape, b: Shape) -> Shapes:
    """Return the memory of a call besides its inputs and their gradients."""
    tokens, words, width = x[0], offsets[0] - 1, start[1]
    return {
        "h": (tokens, width),
        "hprev": (tokens, width),
        "cprev": (tokens, width),
        "ctanh": (tokens, width),
        "gates": (tokens, 4 * width),
        "dpreact": (tokens, 4 * width),
        "state": (words, width),
        "cell": (words, width),
        "room": (words, 4 * width),
        "back": (words, width),
        "plan": plan_shape(x, offsets),
        "Wx_t": (4 * width, x[1]),
        "Wh_t": (4 * width, width),
    }


def carried(x: Shape, offsets: Shape, start: Shape, cstart: Shape, W: Shape, b: Shape) -> Shapes:
    """Return the memory that `step` needs from one character of a word to the next."""
    return {"last": (x[0], start[1]), "last_cell": (x[0], start[1])}


@kernel
def forward(
    x: Any,
    offsets: Any,
    start: Any,
    cstart: Any,
    W: Any,
    b: Any,
    h: Any,
    hprev: Any,
    cprev: Any,
    ctanh: Any,
    gates: Any,
    state: Any,
    cell: Any,
    room: Any,
    plan: Any,
    thread: int,
    team: Any,
) -> None:
    if thread == 0:
        make_plan(offsets, plan)
    channels, width = x.shape[1], start.shape[1]
    product(x, W[:channels], b, gates[: len(x)], thread, team)
    wait(thread, team)
    begin, end = ranks_of(offsets, plan, thread, team)
    words, of_state = integers(plan), W[channels:]
    for r in range(begin, end):
        for j in range(width):
            state[r, j] = start[0, j]
            cell[r, j] = cstart[0, j]
    steps = steps_of(offsets, plan, begin) if begin < end else 0
    for t in range(steps):
        after = takes_part(offsets, plan, t, end)
        product_part(state, of_state, room, begin, after, 0, 4 * width)
        for r in range(begin, after):
            row = offsets[words[r]] + t
            for j in range(width):
                hprev[row, j] = state[r, j]
                cprev[row, j] = cell[r, j]
            _cell(gates[row], room[r], cell[r], ctanh[row], state[r])
            for j in range(width):
                h[row, j] = state[r, j]


@kernel
def _cell(gates: Any, added: Any, cell: Any, ctanh: Any, state: Any) -> None:
    """Compute one character's gates from their pre-activations, and the new cell and state."""
    width = len(cell)
    add_and_sigmoid(gates[: 2 * width], added)
    add_and_tanh(gates[2 * width : 3 * width], added[2 * width :])
    add_and_sigmoid(gates[3 * width :], added[3 * width :])
    f, g, o = gates[width:], gates[2 * width :], gates[3 * width :]
    for j in range(width):
        cell[j] = f[j] * cell[j] + gates[j] * g[j]
    for j in range(width):
        ctanh[j] = tanh(cell[j])
    for j in range(width):
        state[j] = o[j] * ctanh[j]


@kernel
def backward(
    dh: Any,
    x: Any,
    offsets: Any,
    W: Any,
    hprev: Any,
    cprev: Any,
    ctanh: Any,
    gates: Any,
    dx: Any,
    dstart: Any,
    dcstart: Any,
    dW: Any,
    db: Any,
    dpreact: Any,
    state: Any,
    cell: Any,
    room: Any,
    back: Any,
    plan: Any,
    Wx_t: Any,
    Wh_t: Any,
    truncate: int,
    thread: int,
    team: Any,
) -> None:
    """Go back through time, then compute the products of all characters.

    `room` is a step's dpreact, in the order of ranks; `back` receives the gradient of h before the
    step, `cell` that of c; `state` is the gradient of h after the step.
    """
    tokens, channels = x.shape
    width = dh.shape[1]
    transpose(W[channels:], Wh_t, thread, team)
    wait(thread, team)
    begin, end = ranks_of(offsets, plan, thread, team)
    words, later = integers(plan), begin
    steps = steps_of(offsets, plan, begin) if begin < end else 0
    for earlier in range(steps):
        t = steps - 1 - earlier
        after = takes_part(offsets, plan, t, end)
        for r in range(begin, after):
            row = offsets[words[r]] + t
            if r < later:
                for j in range(width):
                    state[r, j] = dh[row, j] + back[r, j]
            else:
                for j in range(width):
                    state[r, j] = dh[row, j]
                    cell[r, j] = 0
            _cell_back(state[r], cell[r], gates[row], ctanh[row], cprev[row], room[r])
            for j in range(4 * width):
                dpreact[row, j] = room[r, j]
        later = begin
        if flows(t, truncate):
            product_part(room, Wh_t, back, begin, after, 0, width)
            later = after
    wait(thread, team)
    column_sums(back[: len(offsets) - 1], dstart[0], thread, team)
    column_sums(cell[: len(offsets) - 1], dcstart[0], thread, team)
    of_tokens(x, hprev[:tokens], dpreact[:tokens], W, Wx_t, dx, dW, db, thread, team)


@kernel
def _cell_back(dh: Any, dc: Any, gates: Any, ctanh: Any, cprev: Any, dpreact: Any) -> None:
    """Compute one character's dpreact; dc, for its cell, becomes that of the cell before."""
    one, width = dh.dtype.type(1), len(dh)
    f, g, o = gates[width:], gates[2 * width :], gates[3 * width :]
    of_f, of_g, of_o = dpreact[width:], dpreact[2 * width :], dpreact[3 * width :]
    for j in range(width):
        dc[j] += dh[j] * o[j] * (one - ctanh[j] * ctanh[j])
        of_o[j] = dh[j] * ctanh[j] * (o[j] * (one - o[j]))
    for j in range(width):
        dpreact[j] = dc[j] * g[j] * (gates[j] * (one - gates[j]))
        of_g[j] = dc[j] * gates[j] * (one - g[j] * g[j])
    for j in range(width):
        of_f[j] = dc[j] * cprev[j] * (f[j] * (one - f[j]))
        dc[j] *= f[j]


@kernel
def step(
    x: Any,
    start: Any,
    cstart: Any,
    W: Any,
    b: Any,
    h: Any,
    ctanh: Any,
    gates: Any,
    room: Any,
    last: Any,
    last_cell: Any,
    t: int,
    thread: int,
    team: Any,
) -> None:
    """Compute h after character t of each word, x (B, C); `last` and `last_cell` are carried."""
    channels, width = x.shape[1], start.shape[1]
    begin_step(start, last, t, thread, team)
    begin_step(cstart, last_cell, t, thread, team)
    product(x, W[:channels], b, gates, thread, team)
    wait(thread, team)
    begin, end = rows_of(x, thread, team)
    product_part(last, W[channels:], room, begin, end, 0, 4 * width)
    for r in range(begin, end):
        _cell(gates[r], room[r], last_cell[r], ctanh[r], last[r])
        for j in range(width):
            h[r, j] = last[r, j]
