"""RNN: h[t] = tanh([x[t], h[t-1]] @ W + b), over the characters of each word.

x (N, C) packed with offsets (B + 1,), start (1, H) the state before the first character,
W (C + H, H), b (H,), h (N, H). With `truncate` k, gradients do not flow back over steps k, 2 k, ...
Elman: Finding Structure in Time, 1990; the cell of makemore. Derivation: docs/derivations/rnn.md
"""

from typing import NamedTuple

import torch
from torch import Tensor

from handgrad.constants import RECURRENT_NODES
from handgrad.layers.packed import TimeMajor, flows, time_major

INPUTS = ("x", "offsets", "start", "W", "b")
NODES = RECURRENT_NODES


class _Cache(NamedTuple):
    """States in time-major order; the pre-activations are not needed."""

    x: Tensor
    start: Tensor
    W: Tensor
    h: Tensor  # (N, H)
    steps: TimeMajor


def forward(
    x: Tensor, offsets: Tensor, start: Tensor, W: Tensor, b: Tensor, *, truncate: int = 0
) -> tuple[Tensor, _Cache]:
    """Return every character's state; the product with x is one for all characters."""
    Wx, Wh = W[: x.shape[1]], W[x.shape[1] :]
    steps = time_major(offsets)
    h = torch.addmm(b, x, Wx)[steps.rows]  # (N, H): pre-activations, overwritten by states
    hprev = start.expand(steps.alive[0], -1)
    for state in steps.split(h):
        hprev = state.addmm_(hprev[: len(state)], Wh).tanh_()
    return h[steps.packed], _Cache(x, start, W, h, steps)


def backward(
    dout: Tensor, cache: _Cache, *, truncate: int = 0
) -> tuple[Tensor, None, Tensor, Tensor, Tensor]:
    """Return (dx, None, dstart, dW, db); only what a step passes back is computed in the loop."""
    x, start, W, h, steps = cache
    Wx, Wh = W[: x.shape[1]], W[x.shape[1] :]
    dhpreact = dout[steps.rows]  # (N, H): gradients of states, overwritten
    local = torch.addcmul(torch.ones((), dtype=h.dtype, device=h.device), h, h, value=-1)
    parts = zip(steps.split(dhpreact), steps.split(local), strict=True)
    dhprev = dhpreact[:0]
    for t, (dstate, slope) in reversed([*enumerate(parts)]):
        dstate[: len(dhprev)] += dhprev
        dstate *= slope
        dhprev = dstate @ Wh.t() if flows(t, truncate) else dhpreact[:0]
    dx = (dhpreact @ Wx.t())[steps.packed]
    dW = torch.cat([x[steps.rows].t() @ dhpreact, steps.previous(h, start).t() @ dhpreact])
    return dx, None, dhprev.sum(0, keepdim=True), dW, dhpreact.sum(0)


def forward_chunked(
    x: Tensor, offsets: Tensor, start: Tensor, W: Tensor, b: Tensor, *, truncate: int = 0
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward one step per line; cache every step."""
    Wx, Wh = W[: x.shape[1]], W[x.shape[1] :]
    steps = time_major(offsets)
    xpreact = x @ Wx + b  # (N, H): what the input adds to the pre-activation
    hprev, states = start.expand(steps.alive[0], -1), []
    for t, xpart in enumerate(steps.split(xpreact[steps.rows])):
        hprev = hprev[: len(xpart)] if flows(t, truncate) else hprev[: len(xpart)].detach()
        hpreact = xpart + hprev @ Wh
        hprev = torch.tanh(hpreact)
        states.append(hprev)
    h = torch.cat(states)[steps.packed]  # (N, H)
    return h, {
        "x": x, "offsets": offsets, "start": start, "W": W, "b": b, "xpreact": xpreact, "h": h
    }  # fmt: skip


def backward_chunked(
    dout: Tensor, cache: dict[str, Tensor], *, truncate: int = 0
) -> dict[str, Tensor]:
    """Return every step's gradient, going back through time."""
    x, start, W, h = cache["x"], cache["start"], cache["W"], cache["h"]
    Wx, Wh = W[: x.shape[1]], W[x.shape[1] :]
    steps = time_major(cache["offsets"])
    hprevs = steps.split(steps.previous(h[steps.rows], start))
    states, dstates = (steps.split(each[steps.rows]) for each in (h, dout))
    dWh, dstart, parts = torch.zeros_like(Wh), torch.zeros_like(start), []
    dhprev = dout[:0]
    for t in reversed(range(len(states))):
        # the state is an output and the next step's hprev, for the words that go on
        dh = dstates[t].clone()
        dh[: len(dhprev)] += dhprev
        # h = torch.tanh(hpreact)
        dhpreact = (1 - states[t] ** 2) * dh
        # hpreact = xpreact + hprev @ Wh
        parts.append(dhpreact)
        dWh += hprevs[t].t() @ dhpreact
        dhprev = dhpreact @ Wh.t() if flows(t, truncate) else dout[:0]
    # hprev = start, for every word
    dstart = dhprev.sum(0, keepdim=True)
    dxpreact = torch.cat(parts[::-1])[steps.packed]
    # xpreact = x @ Wx + b
    dx = dxpreact @ Wx.t()
    dW = torch.cat([x.t() @ dxpreact, dWh])
    db = dxpreact.sum(0)
    return {"x": dx, "start": dstart, "W": dW, "b": db, "xpreact": dxpreact}


def step(
    x: Tensor,
    offsets: None,
    start: Tensor,
    W: Tensor,
    b: Tensor,
    *,
    t: int,
    carried: dict[str, Tensor],
    truncate: int = 0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the states after character t of B words, x (B, C); carried: the states before it."""
    hprev = carried["h"] if t else start.expand(len(x), -1)
    h = torch.tanh(torch.addmm(b, torch.cat([x, hprev], 1), W))
    return h, {"h": h}
