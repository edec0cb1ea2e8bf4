"""The examples of a report of 105 wrong and 80 right functions, and the right twin of each."""

import torch
import torch.nn.functional as F
from torch.autograd import Function

from checker.functions.reported.case import planted
from checker.functions.reported.memory import Buffered, InPlace, Marked, OnClass, Overwrites, Pair

ONE = {"x": "B C"}
EINSUM = {"q": "A B T D", "k": "A B S D"}
HEADS = torch.randn(2, 5, 3, 4).transpose(1, 2)
TARGETS = torch.tensor([0, -100, 3, 2, -100, 1, 4, 0])
IGNORED = (torch.randn(8, 5), TARGETS)


def square(x):
    return x**2


def square_and_crash(dout, x):
    dout[0]
    return 3 * x * dout + x


def overflowing(x):
    return (x * 300) ** 2


def overflowing_wrong(dout, x):
    return 2 * x * 300 * dout + x


def overflowing_right(dout, x):
    return 2 * (x * 300) * 300 * dout


def rows(t, i):
    return t[i]


def rows_crash(dout, t, i):
    return torch.zeros(t.shape[0], dout.shape[1]).index_add_(0, i, dout), None


def rows_right(dout, t, i):
    return dout.new_zeros(t.shape[0], dout.shape[1]).index_add_(0, i, dout), None


def mean_scores(q, k):
    return torch.einsum("abtd,absd->abts", q, k) / q.shape[-1]


def root_scores(q, k):
    return torch.einsum("abtd,absd->abts", q, k) / q.shape[-1] ** 0.5


def scores_wrong(dout, q, k):
    return torch.einsum("abts,absd->abtd", dout, k), torch.einsum("abts,abtd->absd", dout, q)


def mean_scores_right(dout, q, k):
    return tuple(g / q.shape[-1] for g in scores_wrong(dout, q, k))


def softmax(x):
    return x.softmax(-1)


def softmax_wrong(dout, x):
    p = softmax(x)
    return p * (dout - dout.mean(-1, keepdim=True))


def highest(x):
    return x.amax(-1)


def every_tie(dout, x):
    return (x == x.amax(-1, keepdim=True)) * dout[..., None]


def one_tie(dout, x):
    return torch.zeros_like(x).scatter_(1, x.argmax(-1, keepdim=True), dout[:, None])


def always_raises(dout, *inputs):
    raise RuntimeError("boom")


def product(q, k, v):
    return q * k * v


def exploding(x):
    return (12 * x).exp().sum(1)


def deviation(x):
    return ((x - x.mean(1, keepdim=True)).square().sum(1) / (x.shape[1] - 1)).sqrt()


def relu_above(dout, x):
    return dout * (x >= 0)


def ignored(x, t):
    return F.cross_entropy(x, t, ignore_index=-100)


def ignored_right(dout, x, t):
    kept = t >= 0
    d = F.softmax(x, -1) - F.one_hot(t.clamp(min=0), x.shape[1]).to(x.dtype)
    return dout * d * kept[:, None] / kept.sum(), None


class RowKernel(Function):
    """Needs rows without gaps, as most kernels do, and says so."""

    @staticmethod
    def forward(ctx, x):
        if x.stride(-1) != 1:
            raise ValueError("the last dimension must be contiguous (stride(-1) == 1)")
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 2 * x * dout


class HeadsKernel(RowKernel):
    """Needs (B, T, H, D).transpose(1, 2)."""

    @staticmethod
    def forward(ctx, x):
        if not x.transpose(1, 2).is_contiguous():
            raise ValueError("expects (B, T, H, D).transpose(1, 2)")
        return RowKernel.forward(ctx, x)


SIN_COS = lambda x: (x.sin(), x.cos())  # noqa: E731
WRONG = {
    "a crash beside a wrong gradient": (planted(square, square_and_crash), square, ONE),
    "an overflow beside a wrong gradient": (
        planted(overflowing, overflowing_wrong), overflowing, ONE),
    "a crash in three dtypes": (planted(rows, rows_crash), rows, {"t": "V C", "i": "N < V"}),
    "backward always raises": (
        planted(product, always_raises), product, dict.fromkeys("qkv", "A B C D")),
    "an output that is detached": (lambda x: (x.sin(), x.detach().cos()), SIN_COS, ONE),
    "an output marked as not differentiable": (Marked.apply, SIN_COS, ONE),
    "state on the class": (OnClass.apply, torch.sigmoid, ONE),
    "a buffer used again": (Buffered.apply, torch.sigmoid, ONE),
    "an upstream gradient overwritten": (Overwrites.apply, torch.sigmoid, ONE),
    "1/D with five letters": (planted(mean_scores, scores_wrong), mean_scores, EINSUM),
    "1/sqrt(D)": (planted(root_scores, scores_wrong), root_scores, EINSUM),
    "wrong behind a normalisation": (planted(softmax, softmax_wrong), softmax, ONE),
    "ties": (planted(highest, every_tie), highest, ONE),
}  # fmt: skip
RIGHT = {
    "numbers that overflow": (overflowing, overflowing, ONE),
    "overflow in backward": (planted(overflowing, overflowing_right), overflowing, ONE),
    "a sum that overflows": (exploding, exploding, ONE),
    "numbers beyond float32": (lambda x: (300 * x).exp(), lambda x: (300 * x).exp(), ONE),
    "a deviation of two numbers": (deviation, lambda x: x.std(1), ONE),
    "relu with zeros": (
        planted(F.relu, relu_above), F.relu, (torch.tensor([[0.0, 1, -2, 0], [3, 0, -1, 2]]),)),
    "relu in place": (InPlace.apply, F.relu, ONE),
    "a crash without columns": (
        planted(softmax, lambda g, x: softmax(x) * (g - (g * softmax(x)).sum(-1, True)
                                                    + 0 * x.amax(-1, True))), softmax, ONE),
    "rows in the dtype of the inputs": (
        planted(rows, rows_right), rows, {"t": "V C", "i": "N < V"}),
    "two outputs": (Pair.apply, SIN_COS, ONE),
    "1/D": (planted(mean_scores, mean_scores_right), mean_scores, EINSUM),
    "one of equal elements": (planted(highest, one_tie), highest, ONE),
    "a kernel of rows": (RowKernel.apply, lambda x: x * x, {"x": "B H T D"}),
    "a kernel of heads": (HeadsKernel.apply, lambda x: x * x, (HEADS,)),
    "ignored targets": (planted(ignored, ignored_right), ignored, IGNORED),
    "ignored targets, one row first": (
        planted(ignored, ignored_right), ignored, IGNORED, {"sizes": {"A": (1, 2, 8)}}),
}  # fmt: skip
