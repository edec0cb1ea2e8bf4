"""LSTM: a cell state c that gates keep and add to, at every character of a word.

i, f, o = sigmoid([x[t], h[t-1]] @ W + b), g = tanh([x[t], h[t-1]] @ W + b), each with its own
columns of W and b in the order i, f, g, o; c[t] = f * c[t-1] + i * g, h[t] = o * tanh(c[t]).
x (N, C) packed with offsets (B + 1,), start and cstart (1, H) the states before the first
character, W (C + H, 4 H), b (4 H,), h (N, H). With `truncate` k, gradients do not flow back over
steps k, 2 k, ...
Hochreiter, Schmidhuber: Long Short-Term Memory, 1997; Gers et al. 2000 for f.
Derivation: docs/derivations/lstm.md
"""

from typing import NamedTuple

import torch
from torch import Tensor

from handgrad.constants import RECURRENT_NODES
from handgrad.layers.packed import TimeMajor, flows, time_major

INPUTS = ("x", "offsets", "start", "cstart", "W", "b")
NODES = RECURRENT_NODES


class _Cache(NamedTuple):
    """All in time-major order."""

    x: Tensor
    start: Tensor
    cstart: Tensor
    W: Tensor
    h: Tensor  # (N, H)
    c: Tensor  # (N, H)
    gates: Tensor  # (N, 4 H): i, f, g, o
    steps: TimeMajor


def forward(
    x: Tensor,
    offsets: Tensor,
    start: Tensor,
    cstart: Tensor,
    W: Tensor,
    b: Tensor,
    *,
    truncate: int = 0,
) -> tuple[Tensor, _Cache]:
    """Return every character's h; the product with x is one for all characters."""
    Wx, Wh = W[: x.shape[1]], W[x.shape[1] :]
    steps = time_major(offsets)
    gates = torch.addmm(b, x, Wx)[steps.rows]  # (N, 4 H): pre-activations, overwritten
    hprev, cprev = (state.expand(steps.alive[0], -1) for state in (start, cstart))
    states, cells = [], []
    for part in steps.split(gates):
        part.addmm_(hprev[: len(part)], Wh)
        i, f, g, o = part.chunk(4, 1)
        i.sigmoid_(), f.sigmoid_(), g.tanh_(), o.sigmoid_()
        cprev = torch.addcmul(i * g, f, cprev[: len(part)])
        hprev = o * torch.tanh(cprev)
        states.append(hprev)
        cells.append(cprev)
    h, c = torch.cat(states), torch.cat(cells)
    return h[steps.packed], _Cache(x, start, cstart, W, h, c, gates, steps)


def backward(
    dout: Tensor, cache: _Cache, *, truncate: int = 0
) -> tuple[Tensor, None, Tensor, Tensor, Tensor, Tensor]:
    """Return (dx, None, dstart, dcstart, dW, db); the loop computes what a step passes back."""
    x, start, cstart, W, h, c, gates, steps = cache
    Wx, Wh = W[: x.shape[1]], W[x.shape[1] :]
    i, f, g, o = gates.chunk(4, 1)
    hprev, cprev = steps.previous(h, start), steps.previous(c, cstart)
    ctanh, one = torch.tanh(c), torch.ones((), dtype=h.dtype, device=h.device)
    # what each pre-activation's gradient is multiplied by, for all characters at once: of dc, of dh
    of_cell = torch.cat(
        [g * i * (1 - i), cprev * f * (1 - f), i * torch.addcmul(one, g, g, value=-1)], 1
    )
    of_output, of_tanh = ctanh * o * (1 - o), o * torch.addcmul(one, ctanh, ctanh, value=-1)
    dpreact, dhs = torch.empty_like(gates), dout[steps.rows]
    width, end = start.shape[1], len(h)
    dhprev = dcprev = dhs[:0]
    for t in reversed(range(len(steps.alive))):
        at = slice(end - steps.alive[t], end)
        dh, part, end = dhs[at], dpreact[at], at.start
        dh[: len(dhprev)] += dhprev
        dc = dh * of_tanh[at]
        dc[: len(dcprev)] += dcprev
        part[:, : 3 * width] = dc.repeat(1, 3).mul_(of_cell[at])
        part[:, 3 * width :] = dh * of_output[at]
        dhprev = dcprev = dhs[:0]
        if flows(t, truncate):
            dhprev, dcprev = part @ Wh.t(), dc * f[at]
    dW = torch.cat([x[steps.rows].t() @ dpreact, hprev.t() @ dpreact])
    dx = (dpreact @ Wx.t())[steps.packed]
    dstart, dcstart = dhprev.sum(0, keepdim=True), dcprev.sum(0, keepdim=True)
    return dx, None, dstart, dcstart, dW, dpreact.sum(0)


def forward_chunked(
    x: Tensor,
    offsets: Tensor,
    start: Tensor,
    cstart: Tensor,
    W: Tensor,
    b: Tensor,
    *,
    truncate: int = 0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward one step per line; cache every step."""
    Wx, Wh = W[: x.shape[1]], W[x.shape[1] :]
    steps = time_major(offsets)
    xpreact = x @ Wx + b  # (N, 4 H): what the input adds to the pre-activations
    hprev, cprev = (state.expand(steps.alive[0], -1) for state in (start, cstart))
    parts = []
    for t, xpart in enumerate(steps.split(xpreact[steps.rows])):
        hprev, cprev = hprev[: len(xpart)], cprev[: len(xpart)]
        if not flows(t, truncate):
            hprev, cprev = hprev.detach(), cprev.detach()
        xi, xf, xg, xo = (xpart + hprev @ Wh).chunk(4, 1)
        i = torch.sigmoid(xi)
        f = torch.sigmoid(xf)
        g = torch.tanh(xg)
        o = torch.sigmoid(xo)
        cprev = f * cprev + i * g
        ctanh = torch.tanh(cprev)
        hprev = o * ctanh
        parts.append((hprev, cprev, i, f, g, o))
    h, c, i, f, g, o = (torch.cat(each)[steps.packed] for each in zip(*parts, strict=True))
    inputs = {"x": x, "offsets": offsets, "start": start, "cstart": cstart, "W": W, "b": b}
    return h, inputs | {"xpreact": xpreact, "h": h, "c": c, "i": i, "f": f, "g": g, "o": o}


def backward_chunked(
    dout: Tensor, cache: dict[str, Tensor], *, truncate: int = 0
) -> dict[str, Tensor]:
    """Return every step's gradient, going back through time."""
    x, start, cstart, W = cache["x"], cache["start"], cache["cstart"], cache["W"]
    Wx, Wh = W[: x.shape[1]], W[x.shape[1] :]
    steps = time_major(cache["offsets"])
    hprevs = steps.split(steps.previous(cache["h"][steps.rows], start))
    cprevs = steps.split(steps.previous(cache["c"][steps.rows], cstart))
    gates, cells, dhs = (
        steps.split(each[steps.rows])
        for each in (torch.cat([cache[name] for name in "ifgo"], 1), cache["c"], dout)
    )
    dWh, parts = torch.zeros_like(Wh), []
    dhprev = dcprev = dout[:0]
    for t in reversed(range(len(cells))):
        hprev, cprev, ctanh = hprevs[t], cprevs[t], torch.tanh(cells[t])
        i, f, g, o = gates[t].chunk(4, 1)
        # h is an output and the next step's hprev, for the words that go on
        dh = dhs[t].clone()
        dh[: len(dhprev)] += dhprev
        # h = o * ctanh
        do = ctanh * dh
        dctanh = o * dh
        # ctanh = torch.tanh(c); c is the next step's cprev too
        dc = (1 - ctanh**2) * dctanh
        dc[: len(dcprev)] += dcprev
        # c = f * cprev + i * g
        df = cprev * dc
        di = g * dc
        dg = i * dc
        dcprev = f * dc
        # i, f, o = torch.sigmoid(...), g = torch.tanh(...)
        dxi = i * (1 - i) * di
        dxf = f * (1 - f) * df
        dxg = (1 - g**2) * dg
        dxo = o * (1 - o) * do
        # xi, xf, xg, xo = (xpreact + hprev @ Wh).chunk(4, 1)
        dpreact = torch.cat([dxi, dxf, dxg, dxo], 1)
        parts.append(dpreact)
        dWh += hprev.t() @ dpreact
        dhprev = dpreact @ Wh.t()
        if not flows(t, truncate):
            dhprev = dcprev = dout[:0]
    # hprev, cprev = start, cstart, for every word
    dstart = dhprev.sum(0, keepdim=True)
    dcstart = dcprev.sum(0, keepdim=True)
    dxpreact = torch.cat(parts[::-1])[steps.packed]
    # xpreact = x @ Wx + b
    dx = dxpreact @ Wx.t()
    dW = torch.cat([x.t() @ dxpreact, dWh])
    db = dxpreact.sum(0)
    return {
        "x": dx, "start": dstart, "cstart": dcstart, "W": dW, "b": db, "xpreact": dxpreact
    }  # fmt: skip


def step(
    x: Tensor,
    offsets: None,
    start: Tensor,
    cstart: Tensor,
    W: Tensor,
    b: Tensor,
    *,
    t: int,
    carried: dict[str, Tensor],
    truncate: int = 0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return h after character t of B words, x (B, C); carried: h and c before it."""
    hprev = carried["h"] if t else start.expand(len(x), -1)
    cprev = carried["c"] if t else cstart.expand(len(x), -1)
    i, f, g, o = torch.addmm(b, torch.cat([x, hprev], 1), W).chunk(4, 1)
    c = torch.sigmoid(f) * cprev + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    return h, {"h": h, "c": c}
