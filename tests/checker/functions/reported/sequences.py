"""Attention, rotary embeddings, recurrent cells and scans."""

import torch
import torch.nn.functional as F

from checker.functions.reported.case import pair

QKV = {"q": "B T D", "k": "B S D", "v": "B S D"}
SELF = {"q": "B T D", "k": "B T D", "v": "B T D"}
SIZES = {"sizes": {"B": (3, 1), "T": (7, 1, 2, 16, 65), "D": (5, 1, 16)}}
CROSS = {"sizes": {"B": (3, 1), "T": (7, 1, 2, 16, 65), "S": (11, 1, 16), "D": (5, 1, 16)}}


def attend(q, k, v):
    return F.scaled_dot_product_attention(q, k, v)


def backward(dout, q, k, v, scale, mask=None, centre=True, scaled=True):
    scores = q @ k.mT * scale
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    p = scores.softmax(-1)
    dp = dout @ v.mT
    ds = p * (dp - (dp * p).sum(-1, keepdim=True)) if centre else p * dp
    ds = ds * scale if scaled else ds
    return ds @ k, ds.mT @ q, p.mT @ dout


def scale_of(q):
    return q.shape[-1] ** -0.5


def attend_right(dout, q, k, v):
    return backward(dout, q, k, v, scale_of(q))


def attend_unscaled(dout, q, k, v):
    return backward(dout, q, k, v, scale_of(q), scaled=False)


def attend_uncentred(dout, q, k, v):
    return backward(dout, q, k, v, scale_of(q), centre=False)


def attend_key(dout, q, k, v):
    dq, dk, dv = attend_right(dout, q, k, v)
    return dq, dk * scale_of(q), dv


def causal(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def triangle(q):
    return torch.ones(q.shape[1], q.shape[1], dtype=torch.bool).tril()


def causal_right(dout, q, k, v):
    return backward(dout, q, k, v, scale_of(q), triangle(q))


def causal_lost(dout, q, k, v):
    return backward(dout, q, k, v, scale_of(q))


def capped(q, k, v):
    s = q @ k.mT / q.shape[-1] ** 0.5
    s = 2.0 * torch.tanh(s / 2.0)
    return s.softmax(-1) @ v


def _capped(dout, q, k, v, derivative):
    scale = scale_of(q)
    t = torch.tanh(q @ k.mT * scale / 2.0)
    p = (2.0 * t).softmax(-1)
    dp = dout @ v.mT
    ds = p * (dp - (dp * p).sum(-1, keepdim=True)) * scale
    ds = ds * (1 - t * t) if derivative else ds
    return ds @ k, ds.mT @ q, p.mT @ dout


def capped_right(dout, q, k, v):
    return _capped(dout, q, k, v, True)


def capped_wrong(dout, q, k, v):
    return _capped(dout, q, k, v, False)


def rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


def rotate_right(dout, x, cos, sin):
    first, second = (dout * sin).chunk(2, -1)
    return dout * cos + torch.cat([second, -first], -1), None, None


def rotate_sign(dout, x, cos, sin):
    first, second = (dout * sin).chunk(2, -1)
    return dout * cos + torch.cat([-second, first], -1), None, None


def rotate_lost(dout, x, cos, sin):
    return dout * cos, None, None


def gru(x, h, wz, wn):
    z = torch.sigmoid(x @ wz)
    n = torch.tanh(x @ wn)
    return (1 - z) * n + z * h


def _gru(dout, x, h, wz, wn):
    z, n = torch.sigmoid(x @ wz), torch.tanh(x @ wn)
    return z, n, dout * (1 - z) * (1 - n * n)


def gru_right(dout, x, h, wz, wn):
    z, n, dn = _gru(dout, x, h, wz, wn)
    dz = dout * (h - n) * z * (1 - z)
    return dz @ wz.T + dn @ wn.T, dout * z, x.T @ dz, x.T @ dn


def gru_wrong(dout, x, h, wz, wn):
    z, _, dn = _gru(dout, x, h, wz, wn)
    dz = dout * h * z * (1 - z)
    return dz @ wz.T + dn @ wn.T, dout * z, x.T @ dz, x.T @ dn


def gru_sign(dout, x, h, wz, wn):
    z, n, dn = _gru(dout, x, h, wz, wn)
    dz = dout * (h + n) * z * (1 - z)
    return dz @ wz.T + dn @ wn.T, dout * z, x.T @ dz, x.T @ dn


def lstm(c, i, f, g):
    return torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)


def lstm_right(dout, c, i, f, g):
    si, sf, tg = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g)
    return dout * sf, dout * tg * si * (1 - si), dout * c * sf * (1 - sf), dout * si * (1 - tg * tg)


def lstm_wrong(dout, c, i, f, g):
    si, sf, tg = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g)
    return dout * sf, dout * tg * si * (1 - si), dout * c * sf * (1 - sf), dout * si


def block(x, w):
    return x + torch.relu(x @ w)


def block_right(dout, x, w):
    d = dout * (x @ w > 0)
    return dout + d @ w.T, x.T @ d


def block_lost(dout, x, w):
    d = dout * (x @ w > 0)
    return d @ w.T, x.T @ d


def block_unmasked(dout, x, w):
    return dout + dout @ w.T, x.T @ dout


def scan_right(dout, x):
    return dout.flip(1).cumsum(1).flip(1)


def scan_wrong(dout, x):
    return dout.cumsum(1)


def decay(x, a):
    out, state = [], torch.zeros_like(x[:, 0])
    for t in range(x.shape[1]):
        state = a * state + x[:, t]
        out.append(state)
    return torch.stack(out, 1)


def _decay(dout, x, a, carried):
    states = decay(x, a)
    dx, da, d = torch.zeros_like(x), torch.zeros_like(a), torch.zeros_like(x[:, 0])
    for t in reversed(range(x.shape[1])):
        d = dout[:, t] + (a * d if carried else 0)
        dx[:, t] = d
        if t:
            da = da + (d * states[:, t - 1]).sum(0)
    return dx, da


def decay_right(dout, x, a):
    return _decay(dout, x, a, True)


def decay_wrong(dout, x, a):
    return _decay(dout, x, a, False)


def grouped(q, k):
    shared = k.repeat_interleave(2, 1)
    return q * shared


def grouped_right(dout, q, k):
    d = dout * q
    return dout * k.repeat_interleave(2, 1), d.reshape(d.shape[0], k.shape[1], 2).sum(2)


def grouped_wrong(dout, q, k):
    d = dout * q
    return dout * k.repeat_interleave(2, 1), d.reshape(d.shape[0], k.shape[1], 2)[..., 1]


ROTARY = {"x": "B T 2*D", "cos": "T 2*D", "sin": "T 2*D"}
GRU = {"x": "B I", "h": "B H", "wz": "I H", "wn": "I H"}
LSTM = {"c": "B H", "i": "B H", "f": "B H", "g": "B H"}
SHORT = {"sizes": {"B": (3, 1, 0), "T": (7, 1, 2, 16), "C": (5, 1, 16)}}
CASES = {
    "attention scale": pair(attend, QKV, attend_right, attend_unscaled, "HG162", **CROSS),
    "attention centre": pair(
        attend, QKV, attend_right, attend_uncentred, "HG152", "HG186", **CROSS),
    "attention key": pair(attend, QKV, attend_right, attend_key, "HG162", **CROSS),
    "causal": pair(causal, SELF, causal_right, causal_lost, "HG192", **SIZES),
    "capped": pair(capped, QKV, capped_right, capped_wrong, "HG188", **CROSS),
    "rotary sign": pair(rotate, ROTARY, rotate_right, rotate_sign, "HG189", wrt=("x",)),
    "rotary half": pair(rotate, ROTARY, rotate_right, rotate_lost, "HG186", wrt=("x",)),
    "gru gate": pair(gru, GRU, gru_right, gru_wrong, "HG186"),
    "gru sign": pair(gru, GRU, gru_right, gru_sign, "HG189"),
    "lstm": pair(lstm, LSTM, lstm_right, lstm_wrong, "HG188"),
    "residual lost": pair(block, {"x": "B C", "w": "C C"}, block_right, block_lost, "HG186"),
    "residual relu": pair(block, {"x": "B C", "w": "C C"}, block_right, block_unmasked, "HG188"),
    "cumsum": pair(lambda x: x.cumsum(1), {"x": "B C"}, scan_right, scan_wrong, "HG191"),
    "decay": pair(
        decay, {"x": "B T C", "a": "C"}, decay_right, decay_wrong, "HG186", **SHORT),
    "grouped heads": pair(grouped, {"q": "B 2*H", "k": "B H"}, grouped_right, grouped_wrong,
                          "HG187"),
}  # fmt: skip
