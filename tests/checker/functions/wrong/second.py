"""Second derivatives: mistakes and near misses."""

import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from checker.functions.kernels.elementwise import Exp, NumpyExp
from checker.functions.kernels.norms import LayerNorm
from checker.functions.kernels.softmax import Softmax, softmax
from checker.functions.wrong.case import QUICK, norm, unary
from checker.functions.wrong.planting import changed, upstreamed


class Silu(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        s = x.sigmoid()
        return dout * (s + x * s * (1 - s))


class SiluSaved(Silu):
    """The sigmoid that forward saves is a constant in the second derivative."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.s = x.sigmoid()
        return x * ctx.s

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * (ctx.s + x * ctx.s * (1 - ctx.s))


class SoftmaxSaved(Softmax):
    @staticmethod
    def forward(ctx, x):
        ctx.p = x.softmax(-1)
        return ctx.p.clone()

    @staticmethod
    def backward(ctx, dp):
        return ctx.p * (dp - (dp * ctx.p).sum(-1, keepdim=True))


TWICE = {"double_backward": True, **QUICK}

VARIED = ("upstream",)

SAYS = {
    "HG167": (
        "second gradient of the upstream gradient, second gradient of x",
        "All second gradients are 0: backward is cut off from autograd.",
        "Write backward in torch operations on ctx.saved_tensors, without once_differentiable, "
        ".detach, .data, NumPy or no_grad.",
    ),
    "HG176": (
        "second gradient of x",
        "The second gradient of x is wrong, although the first gradient is right: an "
        "intermediate that forward saves is a constant in it.",
        "Save inputs and outputs with ctx.save_for_backward, and recompute intermediates in "
        "backward.",
    ),
}

MATCH = {
    "HG167": [
        unary(changed(Exp, once_differentiable(Exp.backward)), torch.exp, **TWICE),
        unary(NumpyExp.apply, torch.exp, **TWICE),
        unary(upstreamed(SoftmaxSaved, torch.Tensor.detach), softmax, **TWICE),
    ],
    "HG176": [
        unary(SiluSaved.apply, F.silu, **TWICE),
        unary(SoftmaxSaved.apply, softmax, **TWICE),
        norm(LayerNorm.apply, **TWICE),
    ],
}


NEAR = {
    "HG167": [
        unary(Exp.apply, torch.exp, **TWICE),
        unary(SiluSaved.apply, F.silu, **TWICE),
    ],
    "HG176": [
        unary(Silu.apply, F.silu, **TWICE),
        unary(changed(Exp, once_differentiable(Exp.backward)), torch.exp, **TWICE),
    ],
}
