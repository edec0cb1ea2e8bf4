"""The GRU through time on given memory. Specification: layers/gru.py.

x (N, C), offsets (B + 1,), start (1, H), W (C + H, 3 H), b (3 H,), h, hprev, reset = r hprev
(N, H), gates (N, 3 H): pre-activations by the input, then r, z, hbar. As in rnn.py, what is one
product for all characters is computed so; matrices (B, ...) are scratch in the order of ranks.
"""

from typing import Any

from handgrad.constants import RECURRENT_NODES
from handgrad.kernels.jit import integers, kernel
from handgrad.kernels.product import (
    product,
    product_part,
    product_transposed,
    product_transposed_part,
)
from handgrad.kernels.recurrent import (
    add_and_sigmoid,
    add_and_tanh,
    begin_step,
    flows,
    make_plan,
    of_inputs,
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
    tokens, words, width = x[0], offsets[0] - 1, start[1]
    return {
        "h": (tokens, width),
        "hprev": (tokens, width),
        "reset": (tokens, width),
        "gates": (tokens, 3 * width),
        "dpreact": (tokens, 3 * width),
        "state": (words, width),
        "state_reset": (words, width),
        "room": (words, 3 * width),
        "of_hbar": (words, width),
        "of_gates": (words, 2 * width),
        "back": (words, width),
        "plan": plan_shape(x, offsets),
        "Wx_t": (3 * width, x[1]),
        "Wh_t": (3 * width, width),
    }


def carried(x: Shape, offsets: Shape, start: Shape, W: Shape, b: Shape) -> Shapes:
    """Return the memory that `step` needs from one character of a word to the next."""
    return {"last": (x[0], start[1])}


@kernel
def forward(
    x: Any,
    offsets: Any,
    start: Any,
    W: Any,
    b: Any,
    h: Any,
    hprev: Any,
    reset: Any,
    gates: Any,
    state: Any,
    state_reset: Any,
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
    steps = steps_of(offsets, plan, begin) if begin < end else 0
    for t in range(steps):
        after = takes_part(offsets, plan, t, end)
        product_part(state, of_state, room, begin, after, 0, 2 * width)
        for r in range(begin, after):
            row = offsets[words[r]] + t
            add_and_sigmoid(gates[row, : 2 * width], room[r])
            for j in range(width):
                state_reset[r, j] = gates[row, j] * state[r, j]
            for j in range(width):
                reset[row, j] = state_reset[r, j]
                hprev[row, j] = state[r, j]
        product_part(state_reset, of_state, room, begin, after, 2 * width, 3 * width)
        for r in range(begin, after):
            row = offsets[words[r]] + t
            z, hbar = gates[row, width:], gates[row, 2 * width :]
            add_and_tanh(hbar, room[r, 2 * width :])
            for j in range(width):
                state[r, j] += z[j] * (hbar[j] - state[r, j])
            for j in range(width):
                h[row, j] = state[r, j]


@kernel
def backward(
    dh: Any,
    x: Any,
    offsets: Any,
    W: Any,
    hprev: Any,
    reset: Any,
    gates: Any,
    dx: Any,
    dstart: Any,
    dW: Any,
    db: Any,
    dpreact: Any,
    state_reset: Any,
    of_hbar: Any,
    of_gates: Any,
    back: Any,
    plan: Any,
    Wx_t: Any,
    Wh_t: Any,
    truncate: int,
    thread: int,
    team: Any,
) -> None:
    """Go back through time, then compute the products of all characters.

    of_hbar and of_gates are a step's dpreact, in the order of ranks; back and state_reset receive
    the gradient of the states before the step: their sum.
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
                    back[r, j] = dh[row, j] + (back[r, j] + state_reset[r, j])
            else:
                for j in range(width):
                    back[r, j] = dh[row, j]
            _into_gates(back[r], hprev[row], gates[row], of_hbar[r], of_gates[r], dpreact[row])
        product_part(of_hbar, Wh_t[2 * width :], state_reset, begin, after, 0, width)
        for r in range(begin, after):
            row = offsets[words[r]] + t
            _into_reset(back[r], state_reset[r], reset[row], gates[row], of_gates[r], dpreact[row])
        later = begin
        if flows(t, truncate):
            product_part(of_gates, Wh_t[: 2 * width], state_reset, begin, after, 0, width)
            later = after
    for r in range(begin, end):
        for j in range(width):
            back[r, j] += state_reset[r, j]
    wait(thread, team)
    column_sums(back[: len(offsets) - 1], dstart[0], thread, team)
    preact, of_state = dpreact[:tokens], dW[channels:]
    product_transposed(x, preact, dW[:channels], thread, team)
    product_transposed_part(hprev[:tokens], preact, of_state, 0, 2 * width, thread, team)
    product_transposed_part(reset[:tokens], preact, of_state, 2 * width, 3 * width, thread, team)
    of_inputs(preact, W, Wx_t, dx, db, thread, team)


@kernel
def _into_gates(dh: Any, hprev: Any, gates: Any, of_hbar: Any, of_gates: Any, dpreact: Any) -> None:
    """Compute the gradients before hbar's tanh and z's sigmoid; dh becomes (1 - z) dh, hprev's."""
    one, width = dh.dtype.type(1), len(dh)
    z, hbar, of_z = gates[width:], gates[2 * width :], of_gates[width:]
    for j in range(width):
        of_hbar[j] = dh[j] * z[j] * (one - hbar[j] * hbar[j])
        of_z[j] = dh[j] * (hbar[j] - hprev[j]) * (z[j] * (one - z[j]))
        dh[j] = dh[j] * (one - z[j])
    dz, dhbar = dpreact[width:], dpreact[2 * width :]
    for j in range(width):
        dz[j] = of_z[j]
        dhbar[j] = of_hbar[j]


@kernel
def _into_reset(
    back: Any, dreset: Any, reset: Any, gates: Any, of_gates: Any, dpreact: Any
) -> None:
    """Compute the gradient before r's sigmoid, and add r dreset, hprev's; reset is r hprev."""
    one = back.dtype.type(1)
    for j in range(len(back)):
        of_gates[j] = dreset[j] * reset[j] * (one - gates[j])
        back[j] += dreset[j] * gates[j]
    for j in range(len(back)):
        dpreact[j] = of_gates[j]


@kernel
def step(
    x: Any,
    start: Any,
    W: Any,
    b: Any,
    h: Any,
    gates: Any,
    state_reset: Any,
    room: Any,
    last: Any,
    t: int,
    thread: int,
    team: Any,
) -> None:
    """Compute the states after character t of each word, x (B, C); `last` are those before it."""
    channels, width = x.shape[1], start.shape[1]
    begin_step(start, last, t, thread, team)
    product(x, W[:channels], b, gates, thread, team)
    wait(thread, team)
    begin, end = rows_of(x, thread, team)
    product_part(last, W[channels:], room, begin, end, 0, 2 * width)
    for r in range(begin, end):
        add_and_sigmoid(gates[r, : 2 * width], room[r])
        for j in range(width):
            state_reset[r, j] = gates[r, j] * last[r, j]
    product_part(state_reset, W[channels:], room, begin, end, 2 * width, 3 * width)
    for r in range(begin, end):
        z, hbar = gates[r, width:], gates[r, 2 * width :]
        add_and_tanh(hbar, room[r, 2 * width :])
        for j in range(width):
            h[r, j] = last[r, j] + z[j] * (hbar[j] - last[r, j])
        for j in range(width):
            last[r, j] = h[r, j]
