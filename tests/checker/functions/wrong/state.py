"""Caller memory that is overwritten, and memory that is never written: mistakes, near misses."""

import torch

from checker.functions.kernels.elementwise import Exp
from checker.functions.kernels.norms import LayerNorm
from checker.functions.kernels.products import Linear, Mul
from checker.functions.kernels.softmax import Softmax, softmax
from checker.functions.wrong.case import linear, mul, norm, unary
from checker.functions.wrong.planting import blocks, changed, forwarded


class Zeroed(Mul):
    """Sets negative elements of its input to 0 in place."""

    @staticmethod
    def forward(ctx, x, weight):
        x.data.clamp_(min=0)
        return Mul.forward(ctx, x, weight)


_CALLS = iter(range(1, 10**9))


def scratch(right, at):
    """Return a Function that leaves part of one gradient uninitialised, different in every call."""

    def backward(ctx, *upstream):
        gradients = right.backward(ctx, *upstream)
        gradients = list(gradients) if isinstance(gradients, tuple) else [gradients]
        whole = torch.full_like(gradients[at], float(next(_CALLS))).flatten()
        n = (len(whole) - 1) // 8 * 8
        whole[:n] = gradients[at].flatten()[:n]
        gradients[at] = whole.view(gradients[at].shape)
        return tuple(gradients)

    return changed(right, backward)


def exp_overwrites(ctx, dout):
    (y,) = ctx.saved_tensors
    y.data.mul_(dout)
    return y.clone()


def exp_in_place(ctx, dout):
    (y,) = ctx.saved_tensors
    return y.mul_(dout)


def softmax_overwrites(ctx, dp):
    (p,) = ctx.saved_tensors
    p.data.mul_(dp - (dp * p).sum(-1, keepdim=True))
    return p.clone()


def exp_writes_upstream(ctx, dout):
    (y,) = ctx.saved_tensors
    return dout.contiguous().mul_(y)


def norm_writes_weight(ctx, dout):
    gradients = LayerNorm.backward(ctx, dout)
    ctx.saved_tensors[2].data.add_(gradients[1])
    return gradients


class Shared(Exp):
    """Keeps its result on the class."""

    @staticmethod
    def forward(ctx, x):
        Shared.out = Exp.forward(ctx, x)
        return Shared.out

    @staticmethod
    def backward(ctx, dout):
        return dout * Shared.out if Shared.out.shape == dout.shape else dout


_KEPT = {}


def kept(value):
    """Return the value in a buffer that all calls of this shape and dtype share."""
    buffer = _KEPT.setdefault((value.shape, value.dtype), torch.empty_like(value))
    return buffer.copy_(value)


class Reused(Exp):
    """Returns its result in a buffer that the next call uses again."""

    @staticmethod
    def forward(ctx, x):
        out = Exp.forward(ctx, x)
        return kept(out.detach())


def exp_kept(ctx, dout):
    return kept(Exp.backward(ctx, dout))


def exp_copied(ctx, dout):
    return kept(Exp.backward(ctx, dout)).clone()


VARIED = ("upstream",)

SAYS = {
    "HG163": (
        "gradient of x",
        "The gradient of x is right the first time that backward runs and wrong the second "
        "time (retain_graph=True): backward overwrites a tensor that forward saved.",
        "Do not write to saved tensors: y * dout instead of y.mul_(dout).",
    ),
    "HG164": (
        "backward",
        "backward writes to the upstream gradient, which belongs to the caller.",
        "Write to new memory: torch.empty_like, or the out-of-place operation.",
    ),
    "HG183": (
        "gradient of x",
        "If the function is called again before backward, this gradient is wrong: forward keeps "
        "state where the next call overwrites it.",
        "Keep what backward needs in ctx (ctx.save_for_backward), not on the class, in a global "
        "or in a buffer.",
    ),
    "HG178": (
        "gradient of x",
        "Two calls on the same numbers give different results: part of the result is never "
        "written, or several threads write to it at once.",
        "Start from torch.zeros_like to see which elements stay 0; then correct the grid or "
        "the mask.",
    ),
}

MATCH = {
    "HG163": [
        unary(changed(Exp, exp_overwrites), torch.exp),
        unary(changed(Softmax, softmax_overwrites), softmax),
        unary(changed(Exp, exp_in_place), torch.exp),
    ],
    "HG164": [
        unary(changed(Exp, exp_writes_upstream), torch.exp),
        mul(Zeroed.apply),
        norm(changed(LayerNorm, norm_writes_weight)),
    ],
    "HG183": [
        unary(Shared.apply, torch.exp),
        unary(changed(Exp, exp_kept), torch.exp),
        unary(Reused.apply, torch.exp),
    ],
    "HG178": [
        unary(scratch(Exp, 0), torch.exp),
        norm(scratch(LayerNorm, 0)),
        linear(scratch(Linear, 1)),
    ],
}


NEAR = {
    "HG163": [
        unary(changed(Exp, lambda ctx, dout: ctx.saved_tensors[0].clone().mul_(dout)), torch.exp),
        unary(changed(Exp, exp_writes_upstream), torch.exp),
    ],
    "HG164": [
        unary(changed(Exp, lambda ctx, dout: dout.clone().mul_(ctx.saved_tensors[0])), torch.exp),
        unary(changed(Softmax, softmax_overwrites), softmax),
    ],
    "HG183": [
        unary(changed(Exp, exp_copied), torch.exp),
        unary(changed(Exp, lambda ctx, dout: dout), torch.exp),
    ],
    "HG178": [
        unary(Exp.apply, torch.exp),
        mul(forwarded(Mul, lambda v: blocks(v, 8), 0)),
    ],
}
