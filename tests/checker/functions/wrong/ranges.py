"""Ranges of values, directions and options: mistakes and near misses."""

import torch
import torch.nn.functional as F

from checker.functions.wrong.operations import case

ROWS = {"logits": "N V", "targets": "N < V"}
FEW = {"sizes": {"N": (3, 1), "V": (5, 1)}, "dtypes": ("float64",)}


def leaky(x):
    return F.leaky_relu(x, 0.1)


def huber(x):
    return F.huber_loss(x, torch.zeros_like(x), reduction="none")


def ramp(x):
    return torch.where(x > 1, x * x, x.sin())


def smooth(x, t):
    return F.cross_entropy(x, t, label_smoothing=0.2)


def smooth_lost(dout, x, t):
    target = F.one_hot(t, x.shape[1])
    return dout * (x.softmax(-1) - target) / len(t), None


def smooth_right(dout, x, t):
    target = 0.8 * F.one_hot(t, x.shape[1]) + 0.2 / x.shape[1]
    return dout * (x.softmax(-1) - target) / len(t), None


def cooled(x):
    return (x / 3).softmax(-1)


def cooled_forgotten(dout, x):
    p = x.softmax(-1)
    return p * (dout - (dout * p).sum(-1, keepdim=True))


def cooled_right(dout, x):
    p = (x / 3).softmax(-1)
    return p * (dout - (dout * p).sum(-1, keepdim=True)) / 3


def masked(x):
    kept = torch.ones_like(x, dtype=torch.bool).tril()
    return x.masked_fill(~kept, -1e9).softmax(-1)


def scan(x):
    return x.cumsum(1)


def shift(x):
    return x.roll(1, 1)


def reversed_scan(x):
    return x.flip(1).cumsum(1).flip(1)


VARIED = ("sizes", "upstream")

SAYS = {
    "HG190": (
        "gradient of x",
        "Wrong only where x < 0, where it is 0; elsewhere it is right.",
        "Use the condition of forward in backward: another derivative holds where x < 0.",
    ),
    "HG191": (
        "gradient of x",
        "The gradient runs along dimension 1 in the wrong direction: it is that of the reference "
        "on reversed elements.",
        "Run backward in the opposite order along dimension 1: .flip(1) before and after, or a "
        "shift by the negative.",
    ),
    "HG192": (
        "gradient of logits",
        "The option label_smoothing of `F.cross_entropy(x, t, label_smoothing=0.2)` is ignored: "
        "this is the gradient of the reference without it.",
        "Take label_smoothing into account in backward too.",
    ),
}

MATCH = {
    "HG190": [
        case(leaky, lambda dout, x: dout * (x > 0)),
        case(huber, lambda dout, x: dout * x),
        case(ramp, lambda dout, x: dout * torch.where(x > 1, torch.ones_like(x) / 2, x.cos())),
    ],
    "HG191": [
        case(scan, lambda dout, x: dout.cumsum(1)),
        case(shift, lambda dout, x: dout.roll(1, 1)),
        case(reversed_scan, lambda dout, x: dout.flip(1).cumsum(1).flip(1)),
    ],
    "HG192": [
        case(smooth, smooth_lost, ROWS, FEW),
        case(cooled, cooled_forgotten),
        case(masked, cooled_forgotten),
    ],
}

NEAR = {
    "HG190": [
        case(leaky, lambda dout, x: dout * torch.where(x > 0, 1.0, 0.1).to(x)),
        case(torch.exp, lambda dout, x: dout * (x.exp() + 0.1)),
    ],
    "HG191": [
        case(scan, lambda dout, x: dout.flip(1).cumsum(1).flip(1)),
        case(scan, lambda dout, x: 2 * dout.flip(1).cumsum(1).flip(1)),
    ],
    "HG192": [
        case(smooth, smooth_right, ROWS, FEW),
        case(cooled, cooled_right),
        case(cooled, lambda dout, x: 2 * cooled_right(dout, x)),
    ],
}
