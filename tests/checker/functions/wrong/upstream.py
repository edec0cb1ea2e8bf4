"""Upstream gradients that are changed or dropped: mistakes and near misses."""

import torch
import torch.nn.functional as F
from torch.autograd import Function

from checker.functions.kernels.elementwise import SQUARE_REF, Exp, SinCos, Square, Tanh
from checker.functions.kernels.norms import LayerNorm, RMSNorm, rms_norm
from checker.functions.kernels.softmax import CE_ROWS, CrossEntropy, CrossEntropyRows
from checker.functions.wrong.case import MUL, QUICK, QUICK_ROWS, ROWS, Case, norm, unary
from checker.functions.wrong.planting import changed, first, mean, upstreamed

LSE_REF = lambda x: (x.softmax(-1), x.logsumexp(-1))  # noqa: E731
SINCOS_REF = lambda x: (x.sin(), x.cos())  # noqa: E731


class Lse(Function):
    """Softmax, and the logarithm of the sum of exponentials."""

    @staticmethod
    def forward(ctx, x):
        p = x.softmax(-1)
        ctx.save_for_backward(p)
        return p, x.logsumexp(-1)

    @staticmethod
    def backward(ctx, dp, dlse):
        (p,) = ctx.saved_tensors
        return p * (dp - (dp * p).sum(-1, keepdim=True)) + dlse[..., None] * p


def unmaterialised(right, backward):
    """Return a Function that gets None for unused outputs."""

    def forward(ctx, *inputs):
        ctx.set_materialize_grads(False)
        return right.forward(ctx, *inputs)

    space = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type(right.__name__, (right,), space).apply


def sin_cos(ctx, dsin, dcos):
    (x,) = ctx.saved_tensors
    return dsin * x.cos() - dcos * x.sin()


def sin_alone(ctx, dsin, dcos):
    (x,) = ctx.saved_tensors
    return None if dsin is None else dsin * x.cos() - (0 if dcos is None else dcos * x.sin())


VARIED = ("upstream", "output")

SAYS = {
    "HG151": (
        "gradient of x",
        "The upstream gradient is ignored: this is the gradient of .sum() for any dout.",
        "Multiply by the argument of backward: local * dout.",
    ),
    "HG155": (
        "gradient of x",
        "Only right for an upstream gradient of ones: dout is multiplied in twice.",
        "Multiply by dout once: the gradient is linear in it.",
    ),
    "HG156": (
        "gradient of logits",
        "The upstream gradient is read as a scalar: its first element is used for all elements.",
        "Multiply each output's local derivative by its element of dout: dout[:, None] for one "
        "number per row.",
    ),
    "HG177": (
        "gradient of x",
        "The upstream gradient of output 1 is dropped.",
        "Add the contribution of the second argument of backward, or call "
        "ctx.mark_non_differentiable on that output.",
    ),
    "HG179": (
        "backward",
        "If output 0 alone has an upstream gradient, backward raises this.",
        "Accept None as the gradient of an unused output, or remove "
        "ctx.set_materialize_grads(False).",
    ),
}

MATCH = {
    "HG151": [
        unary(upstreamed(Tanh, torch.ones_like), torch.tanh),
        norm(upstreamed(LayerNorm, torch.ones_like)),
        Case(upstreamed(CrossEntropy, torch.ones_like), F.cross_entropy, ROWS, QUICK_ROWS),
    ],
    "HG155": [
        unary(upstreamed(Tanh, lambda u: u * u), torch.tanh),
        unary(upstreamed(Exp, torch.abs), torch.exp),
        unary(upstreamed(Square, lambda u: u**3), SQUARE_REF),
    ],
    "HG156": [
        Case(upstreamed(CrossEntropyRows, first), CE_ROWS, ROWS, QUICK_ROWS),
        unary(upstreamed(Square, mean), SQUARE_REF),
        Case(upstreamed(RMSNorm, lambda u: u[:1].expand_as(u)), rms_norm, MUL, QUICK),
    ],
    "HG177": [
        unary(changed(Lse, lambda ctx, a, b: Lse.backward(ctx, a, b * 0)), LSE_REF),
        unary(changed(SinCos, lambda ctx, a, b: SinCos.backward(ctx, a, None)), SINCOS_REF),
        unary(changed(SinCos, lambda ctx, a, b: SinCos.backward(ctx, None, b)), SINCOS_REF),
    ],
    "HG179": [
        unary(unmaterialised(SinCos, sin_cos), SINCOS_REF),
        unary(unmaterialised(Lse, Lse.backward), LSE_REF),
        unary(unmaterialised(SinCos, sin_alone), SINCOS_REF),
    ],
}


NEAR = {
    "HG151": [
        unary(upstreamed(Tanh, lambda u: u * u), torch.tanh),
        unary(upstreamed(Tanh, lambda u: torch.ones_like(u) * u.mean()), torch.tanh),
    ],
    "HG155": [
        unary(upstreamed(Tanh, torch.ones_like), torch.tanh),
        unary(upstreamed(Tanh, lambda u: u + 1), torch.tanh),
    ],
    "HG156": [
        unary(upstreamed(Square, torch.ones_like), SQUARE_REF),
        unary(upstreamed(Square, lambda u: u.flip(-1)), SQUARE_REF),
    ],
    "HG177": [
        unary(changed(Lse, lambda ctx, a, b: Lse.backward(ctx, a, 2 * b)), LSE_REF),
        unary(Lse.apply, LSE_REF),
    ],
    "HG179": [
        unary(SinCos.apply, SINCOS_REF),
        unary(changed(Lse, lambda ctx, a, b: Lse.backward(ctx, a, b * 0)), LSE_REF),
    ],
}
