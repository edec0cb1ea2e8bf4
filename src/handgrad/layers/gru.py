"""GRU: a state of which gates replace a part at every character of a word.

r, z = sigmoid([x[t], h[t-1]] @ W + b), hbar = tanh([x[t], r * h[t-1]] @ W + b), each with its own
columns of W and b in the order r, z, hbar; h[t] = (1 - z) * h[t-1] + z * hbar.
x (N, C) packed with offsets (B + 1,), start (1, H), W (C + H, 3 H), b (3 H,), h (N, H). With
`truncate` k, gradients do not flow back over steps k, 2 k, ...
Cho et al.: Learning Phrase Representations using RNN Encoder-Decoder, 2014, arXiv:1406.1078; the
cell of makemore. Derivation: docs/derivations/gru.md
"""

from typing import NamedTuple

import torch
from torch import Tensor

from handgrad.constants import RECURRENT_NODES
from handgrad.layers.packed import TimeMajor, flows, time_major

INPUTS = ("x", "offsets", "start", "W", "b")
NODES = RECURRENT_NODES


class _Cache(NamedTuple):
    """All in time-major order."""

    x: Tensor
    start: Tensor
    W: Tensor
    h: Tensor  # (N, H)
    gates: Tensor  # (N, 3 H): r, z, hbar
    steps: TimeMajor


def forward(
    x: Tensor, offsets: Tensor, start: Tensor, W: Tensor, b: Tensor, *, truncate: int = 0
) -> tuple[Tensor, _Cache]:
    """Return every character's state; the product with x is one for all characters."""
    channels, width = x.shape[1], start.shape[1]
    of_gates, of_hbar = W[channels:, : 2 * width], W[channels:, 2 * width :]
    steps = time_major(offsets)
    gates = torch.addmm(b, x, W[:channels])[steps.rows]  # pre-activations, overwritten
    states, hprev = [], start.expand(steps.alive[0], -1)
    for part in steps.split(gates):
        hprev = hprev[: len(part)]
        rz, hbar = part[:, : 2 * width], part[:, 2 * width :]
        rz.addmm_(hprev, of_gates).sigmoid_()
        hbar.addmm_(rz[:, :width] * hprev, of_hbar).tanh_()
        hprev = torch.lerp(hprev, hbar, rz[:, width:])
        states.append(hprev)
    h = torch.cat(states)
    return h[steps.packed], _Cache(x, start, W, h, gates, steps)


def backward(
    dout: Tensor, cache: _Cache, *, truncate: int = 0
) -> tuple[Tensor, None, Tensor, Tensor, Tensor]:
    """Return (dx, None, dstart, dW, db); only what a step passes back is computed in the loop."""
    x, start, W, h, gates, steps = cache
    channels, width = x.shape[1], start.shape[1]
    of_gates, of_hbar = W[channels:, : 2 * width], W[channels:, 2 * width :]
    r, z, hbar = gates.chunk(3, 1)
    hprev = steps.previous(h, start)
    one = torch.ones((), dtype=h.dtype, device=h.device)
    # what each pre-activation's gradient is multiplied by, for all characters at once
    of_z = (hbar - hprev) * z * (1 - z)
    of_hbar_slope = z * torch.addcmul(one, hbar, hbar, value=-1)
    of_r, keep = hprev * r * (1 - r), 1 - z
    dpreact, dhs = torch.empty_like(gates), dout[steps.rows]
    dhprev, end = dhs[:0], len(h)
    for t in reversed(range(len(steps.alive))):
        at = slice(end - steps.alive[t], end)
        dh, part = dhs[at], dpreact[at]
        dh[: len(dhprev)] += dhprev
        part[:, 2 * width :] = dh * of_hbar_slope[at]
        dreset = part[:, 2 * width :] @ of_hbar.t()
        part[:, :width] = dreset * of_r[at]
        part[:, width : 2 * width] = dh * of_z[at]
        dhprev, end = dhs[:0], at.start
        if flows(t, truncate):
            dhprev = torch.addmm(dh * keep[at], part[:, : 2 * width], of_gates.t())
            dhprev.addcmul_(dreset, r[at])
    dWh = [hprev.t() @ dpreact[:, : 2 * width], (r * hprev).t() @ dpreact[:, 2 * width :]]
    dW = torch.cat([x[steps.rows].t() @ dpreact, torch.cat(dWh, 1)])
    dx = (dpreact @ W[:channels].t())[steps.packed]
    return dx, None, dhprev.sum(0, keepdim=True), dW, dpreact.sum(0)


def forward_chunked(
    x: Tensor, offsets: Tensor, start: Tensor, W: Tensor, b: Tensor, *, truncate: int = 0
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward one step per line; cache every step."""
    Wx, (Wr, Wz, Wh) = W[: x.shape[1]], W[x.shape[1] :].chunk(3, 1)
    steps = time_major(offsets)
    xpreact = x @ Wx + b  # (N, 3 H): what the input adds to the pre-activations
    hprev, parts = start.expand(steps.alive[0], -1), []
    for t, xpart in enumerate(steps.split(xpreact[steps.rows])):
        hprev = hprev[: len(xpart)] if flows(t, truncate) else hprev[: len(xpart)].detach()
        xr, xz, xh = xpart.chunk(3, 1)
        r = torch.sigmoid(xr + hprev @ Wr)
        z = torch.sigmoid(xz + hprev @ Wz)
        hprev_reset = r * hprev
        hbar = torch.tanh(xh + hprev_reset @ Wh)
        hprev = (1 - z) * hprev + z * hbar
        parts.append((hprev, r, z, hbar))
    h, r, z, hbar = (torch.cat(each)[steps.packed] for each in zip(*parts, strict=True))
    inputs = {"x": x, "offsets": offsets, "start": start, "W": W, "b": b}
    return h, inputs | {"xpreact": xpreact, "h": h, "r": r, "z": z, "hbar": hbar}


def backward_chunked(
    dout: Tensor, cache: dict[str, Tensor], *, truncate: int = 0
) -> dict[str, Tensor]:
    """Return every step's gradient, going back through time."""
    x, start, W = cache["x"], cache["start"], cache["W"]
    Wx, (Wr, Wz, Wh) = W[: x.shape[1]], W[x.shape[1] :].chunk(3, 1)
    steps = time_major(cache["offsets"])
    hprevs = steps.split(steps.previous(cache["h"][steps.rows], start))
    rs, zs, hbars, dhs = (
        steps.split(each[steps.rows]) for each in (cache["r"], cache["z"], cache["hbar"], dout)
    )
    dWr, dWz, dWh, parts = torch.zeros_like(Wr), torch.zeros_like(Wz), torch.zeros_like(Wh), []
    dhprev = dout[:0]
    for t in reversed(range(len(hprevs))):
        hprev, r, z, hbar = hprevs[t], rs[t], zs[t], hbars[t]
        # the state is an output and the next step's hprev, for the words that go on
        dh = dhs[t].clone()
        dh[: len(dhprev)] += dhprev
        # h = (1 - z) * hprev + z * hbar
        dz = hbar * dh - hprev * dh
        dhbar = z * dh
        dhprev = (1 - z) * dh
        # hbar = torch.tanh(xh + hprev_reset @ Wh)
        dxh = (1 - hbar**2) * dhbar
        dhprev_reset = dxh @ Wh.t()
        dWh += (r * hprev).t() @ dxh
        # hprev_reset = r * hprev
        dr = hprev * dhprev_reset
        dhprev += r * dhprev_reset
        # z = torch.sigmoid(xz + hprev @ Wz)
        dxz = z * (1 - z) * dz
        dhprev += dxz @ Wz.t()
        dWz += hprev.t() @ dxz
        # r = torch.sigmoid(xr + hprev @ Wr)
        dxr = r * (1 - r) * dr
        dhprev += dxr @ Wr.t()
        dWr += hprev.t() @ dxr
        parts.append(torch.cat([dxr, dxz, dxh], 1))
        if not flows(t, truncate):
            dhprev = dout[:0]
    # hprev = start, for every word
    dstart = dhprev.sum(0, keepdim=True)
    dxpreact = torch.cat(parts[::-1])[steps.packed]
    # xpreact = x @ Wx + b
    dx = dxpreact @ Wx.t()
    dW = torch.cat([x.t() @ dxpreact, torch.cat([dWr, dWz, dWh], 1)])
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
    width = start.shape[1]
    rz = torch.addmm(b[: 2 * width], torch.cat([x, hprev], 1), W[:, : 2 * width]).sigmoid_()
    r, z = rz.chunk(2, 1)
    xh = torch.cat([x, r * hprev], 1)
    hbar = torch.addmm(b[2 * width :], xh, W[:, 2 * width :]).tanh_()
    h = torch.lerp(hprev, hbar, z)
    return h, {"h": h}
