"""Normalisations."""

import torch
import torch.nn.functional as F

from checker.functions.reported.case import pair

EPS = 1e-6
ONE = {"x": "B C"}
NORM = {"x": "B C", "weight": "C"}
AFFINE = {"x": "B C", "weight": "C", "bias": "C"}


def rms(x, weight):
    return F.rms_norm(x, x.shape[-1:], weight, EPS)


def _rms(x):
    r = (x.square().mean(-1, keepdim=True) + EPS).rsqrt()
    return r, x * r


def rms_right(dout, x, weight):
    r, n = _rms(x)
    d = dout * weight
    return r * (d - n * (d * n).mean(-1, keepdim=True)), (dout * n).sum(0)


def rms_constant(dout, x, weight):
    r, n = _rms(x)
    return r * dout * weight, (dout * n).sum(0)


def rms_sum(dout, x, weight):
    r, n = _rms(x)
    d = dout * weight
    return r * (d - n * (d * n).sum(-1, keepdim=True)), (dout * n).sum(0)


def rms_unweighted(dout, x, weight):
    r, n = _rms(x)
    return r * (dout - n * (dout * n).mean(-1, keepdim=True)), (dout * n).sum(0)


def rms_low(dout, x, weight):
    dx, _ = rms_right(dout, x, weight)
    _, n = _rms(x)
    total = torch.zeros_like(weight)
    for row in dout * n:
        total = total + row
    return dx, total


def layer(x, weight, bias):
    return F.layer_norm(x, x.shape[-1:], weight, bias)


def _layer(x):
    centred = x - x.mean(-1, keepdim=True)
    r = (centred.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
    return r, centred * r


def layer_right(dout, x, weight, bias):
    r, n = _layer(x)
    d = dout * weight
    dx = r * (d - d.mean(-1, keepdim=True) - n * (d * n).mean(-1, keepdim=True))
    return dx, (dout * n).sum(0), dout.sum(0)


def layer_mean_lost(dout, x, weight, bias):
    r, n = _layer(x)
    d = dout * weight
    dx = r * (d - n * (d * n).mean(-1, keepdim=True))
    return dx, (dout * n).sum(0), dout.sum(0)


def layer_bias_mean(dout, x, weight, bias):
    dx, dw, _ = layer_right(dout, x, weight, bias)
    return dx, dw, dout.mean(0)


def unit(x):
    return x / x.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def unit_right(dout, x):
    n = x.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    y = x / n
    return (dout - y * (dout * y).sum(-1, keepdim=True)) / n


def unit_wrong(dout, x):
    return dout / x.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def std_right(dout, x):
    d = x - x.mean(1, keepdim=True)
    s = (d.square().sum(1, keepdim=True) / (x.shape[1] - 1)).sqrt()
    return dout[:, None] * d / (s * (x.shape[1] - 1))


def std_wrong(dout, x):
    d = x - x.mean(1, keepdim=True)
    s = (d.square().sum(1, keepdim=True) / (x.shape[1] - 1)).sqrt()
    return dout[:, None] * d / (s * x.shape[1])


def softmax(x):
    return F.softmax(x, -1)


def softmax_right(dout, x):
    p = softmax(x)
    return p * (dout - (dout * p).sum(-1, keepdim=True))


def softmax_wrong(dout, x):
    return softmax(x) * dout


def softmax_mean(dout, x):
    p = softmax(x)
    return p * (dout - (dout * p).mean(-1, keepdim=True))


def logsoftmax_right(dout, x):
    return dout - softmax(x) * dout.sum(-1, keepdim=True)


def logsoftmax_wrong(dout, x):
    return dout - softmax(x)


def group(x, weight):
    b, t, c = x.shape
    g = x.reshape(b, t, 2, c // 2)
    return (g * (g.square().mean(-1, keepdim=True) + EPS).rsqrt()).reshape(b, t, c) * weight


def group_right(dout, x, weight):
    b, t, c = x.shape
    g, d = x.reshape(b, t, 2, c // 2), (dout * weight).reshape(b, t, 2, c // 2)
    r, n = _rms(g)
    dx = r * (d - n * (d * n).mean(-1, keepdim=True))
    return dx.reshape(x.shape), (dout * n.reshape(x.shape)).sum((0, 1))


def group_wrong(dout, x, weight):
    dx, _ = group_right(dout, x, weight)
    _, n = _rms(x.reshape(*x.shape[:2], 2, x.shape[2] // 2))
    return dx, (dout * n.reshape(x.shape)).mean(0).sum(0)


def batch(x, weight, bias):
    mean, var = x.mean(0), x.var(0, correction=0)
    return (x - mean) * (var + 1e-3).rsqrt() * weight + bias


def batch_right(dout, x, weight, bias):
    r = (x.var(0, correction=0) + 1e-3).rsqrt()
    n = (x - x.mean(0)) * r
    d = dout * weight
    return r * (d - d.mean(0) - n * (d * n).mean(0)), (dout * n).sum(0), dout.sum(0)


def batch_wrong(dout, x, weight, bias):
    r = (x.var(0, correction=0) + 1e-3).rsqrt()
    n = (x - x.mean(0)) * r
    d = dout * weight
    return r * (d - d.mean(0)), (dout * n).sum(0), dout.sum(0)


def cosine(x, y):
    return F.cosine_similarity(x, y, -1)


def _cosine(x, y):
    nx, ny = x.norm(dim=-1, keepdim=True), y.norm(dim=-1, keepdim=True)
    return nx, ny, x / nx, y / ny


def cosine_right(dout, x, y):
    nx, ny, a, b = _cosine(x, y)
    c, d = (a * b).sum(-1, keepdim=True), dout[..., None]
    return d * (b - c * a) / nx, d * (a - c * b) / ny


def cosine_wrong(dout, x, y):
    nx, ny, a, b = _cosine(x, y)
    c, d = (a * b).sum(-1, keepdim=True), dout[..., None]
    return d * b / nx, d * (a - c * b) / ny


BF16 = {"dtypes": ("float64", "bfloat16")}
CASES = {
    "rms constant": pair(rms, NORM, rms_right, rms_constant, "HG152"),
    "rms sum": pair(rms, NORM, rms_right, rms_sum, "HG189"),
    "rms unweighted": pair(rms, NORM, rms_right, rms_unweighted, "HG188", "HG158"),
    "rms low": pair(rms, NORM, rms_right, rms_low, "HG165", **BF16),
    "layer mean": pair(layer, AFFINE, layer_right, layer_mean_lost, "HG152"),
    "layer bias": pair(layer, AFFINE, layer_right, layer_bias_mean, "HG162"),
    "unit": pair(unit, ONE, unit_right, unit_wrong, "HG152"),
    "std": pair(lambda x: x.std(1), {"x": "B C"}, std_right, std_wrong, "HG162"),
    "softmax": pair(softmax, ONE, softmax_right, softmax_wrong, "HG152"),
    "softmax mean": pair(softmax, ONE, softmax_right, softmax_mean, "HG189"),
    "log softmax": pair(
        lambda x: F.log_softmax(x, -1), ONE, logsoftmax_right, logsoftmax_wrong, "none"),
    "group": pair(group, {"x": "B T 2*C", "weight": "2*C"}, group_right, group_wrong, "HG162"),
    "batch": pair(batch, AFFINE, batch_right, batch_wrong, "HG152"),
    "cosine": pair(
        cosine, {"x": "B C > 0", "y": "B C > 0"}, cosine_right, cosine_wrong, "HG152", "HG186"),
}  # fmt: skip
