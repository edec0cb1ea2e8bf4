"""Losses."""

import torch
import torch.nn.functional as F

from checker.functions.reported.case import pair

ROWS = {"logits": "N V", "targets": "N < V"}
TWO = {"x": "B C", "y": "B C"}


def one_hot(targets, like):
    return F.one_hot(targets, like.shape[1]).to(like.dtype)


def cross_right(dout, x, t):
    return dout * (F.softmax(x, -1) - one_hot(t, x)) / len(t), None


def cross_sum(dout, x, t):
    return dout * (F.softmax(x, -1) - one_hot(t, x)), None


def cross_ignored(dout, x, t):
    return (F.softmax(x, -1) - one_hot(t, x)) / len(t), None


def rows(x, t):
    return F.cross_entropy(x, t, reduction="none")


def rows_right(dout, x, t):
    return dout[:, None] * (F.softmax(x, -1) - one_hot(t, x)), None


def rows_first(dout, x, t):
    first = dout[0] if len(dout) else 1.0
    return first * (F.softmax(x, -1) - one_hot(t, x)), None


def padded(x, t):
    return F.cross_entropy(x, t, ignore_index=-100)


def padded_right(dout, x, t):
    kept = t != -100
    count = kept.sum().clamp(min=1)
    d = F.softmax(x, -1) - one_hot(t.clamp(min=0), x)
    return dout * d * kept[:, None] / count, None


def padded_wrong(dout, x, t):
    kept = t != -100
    d = F.softmax(x, -1) - one_hot(t.clamp(min=0), x)
    return dout * d * kept[:, None] / len(t), None


def smooth(x, t):
    return F.cross_entropy(x, t, label_smoothing=0.2)


def smooth_right(dout, x, t):
    target = 0.8 * one_hot(t, x) + 0.2 / x.shape[1]
    return dout * (F.softmax(x, -1) - target) / len(t), None


def smooth_wrong(dout, x, t):
    return cross_right(dout, x, t)


def with_z(x, t):
    lse = x.logsumexp(-1)
    return (lse - x.gather(1, t[:, None])[:, 0]).mean() + 0.1 * (lse * lse).mean()


def z_right(dout, x, t):
    p, lse = F.softmax(x, -1), x.logsumexp(-1, keepdim=True)
    return dout * (p - one_hot(t, x) + 0.2 * lse * p) / len(t), None


def z_half(dout, x, t):
    p, lse = F.softmax(x, -1), x.logsumexp(-1, keepdim=True)
    return dout * (p - one_hot(t, x) + 0.1 * lse * p) / len(t), None


def z_lost(dout, x, t):
    return cross_right(dout, x, t)


def mse_right(dout, x, y):
    d = dout * 2 * (x - y) / x.numel()
    return d, -d


def mse_wrong(dout, x, y):
    d = dout * (x - y) / x.numel()
    return d, -d


def mse_sign(dout, x, y):
    d = dout * 2 * (x - y) / x.numel()
    return d, d


def bce(x, y):
    return F.binary_cross_entropy_with_logits(x, y, reduction="none")


def bce_right(dout, x, y):
    return dout * (torch.sigmoid(x) - y), dout * -x


def bce_wrong(dout, x, y):
    return dout * (torch.sigmoid(x) - y) * torch.sigmoid(x), dout * -x  # an unrelated factor


def kl(x, y):
    p = y.softmax(-1)
    return (p * (y.log_softmax(-1) - x.log_softmax(-1))).sum(-1)


def kl_right(dout, x, y):
    p = y.softmax(-1)
    gap = y.log_softmax(-1) - x.log_softmax(-1)
    d = dout[..., None]
    return d * (x.softmax(-1) - p), d * p * (gap - (p * gap).sum(-1, keepdim=True))


def kl_wrong(dout, x, y):
    p = y.softmax(-1)
    gap = y.log_softmax(-1) - x.log_softmax(-1)
    return dout[..., None] * (x.softmax(-1) - p), dout[..., None] * p * gap


def warm(x, t):
    return F.cross_entropy(x / 2.0, t) * 4.0


def warm_right(dout, x, t):
    return dout * 2.0 * (F.softmax(x / 2.0, -1) - one_hot(t, x)) / len(t), None


def warm_wrong(dout, x, t):
    return dout * 4.0 * (F.softmax(x / 2.0, -1) - one_hot(t, x)) / len(t), None


def both(x):
    return x.softmax(-1), x.logsumexp(-1)


def both_right(dp, dlse, x):
    p = x.softmax(-1)
    return p * (dp - (dp * p).sum(-1, keepdim=True)) + dlse[..., None] * p


def both_wrong(dp, dlse, x):
    p = x.softmax(-1)
    return p * (dp - (dp * p).sum(-1, keepdim=True))


def hinge(x, y):
    return torch.relu(1 - x * y).mean()


def hinge_right(dout, x, y):
    d = dout * (x * y < 1) / x.numel()
    return -d * y, -d * x


def hinge_wrong(dout, x, y):
    return -dout * y / x.numel(), -dout * x / x.numel()


def huber_right(dout, x, y):
    d = dout * (x - y).clamp(-1, 1)
    return d, -d


def huber_wrong(dout, x, y):
    d = dout * (x - y)
    return d, -d


def huber(x, y):
    return F.huber_loss(x, y, reduction="none")


IGNORED = (torch.randn(8, 5), torch.tensor([0, -100, 3, 2, -100, 1, 4, 0]))
CASES = {
    "cross entropy sum": pair(F.cross_entropy, ROWS, cross_right, cross_sum, "HG162"),
    "cross entropy upstream": pair(F.cross_entropy, ROWS, cross_right, cross_ignored, "HG151"),
    "cross entropy rows": pair(rows, ROWS, rows_right, rows_first, "HG156"),
    "cross entropy padded": pair(padded, IGNORED, padded_right, padded_wrong, "HG162"),
    "label smoothing": pair(smooth, ROWS, smooth_right, smooth_wrong, "HG192"),
    "z half": pair(with_z, ROWS, z_right, z_half, "HG186", "HG189"),
    "z lost": pair(with_z, ROWS, z_right, z_lost, "HG152", "HG186"),
    "mse factor": pair(F.mse_loss, TWO, mse_right, mse_wrong, "HG162"),
    "mse sign": pair(F.mse_loss, TWO, mse_right, mse_sign, "HG162", "HG160"),
    "bce": pair(bce, TWO, bce_right, bce_wrong, "none"),
    "kl": pair(kl, TWO, kl_right, kl_wrong, "HG152", "HG186"),
    "temperature": pair(warm, ROWS, warm_right, warm_wrong, "HG162", "HG188"),
    "second output": pair(both, {"x": "B C"}, both_right, both_wrong, "HG177"),
    "hinge": pair(hinge, TWO, hinge_right, hinge_wrong, "HG188"),
    "huber": pair(huber, TWO, huber_right, huber_wrong, "HG188", "HG190"),
}
