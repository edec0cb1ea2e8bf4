"""LayerNorm and RMSNorm: right backward passes, and references."""

import torch
import torch.nn.functional as F
from torch.autograd import Function


class LayerNorm(Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        mean = x.mean(-1, keepdim=True)
        rstd = ((x - mean).square().mean(-1, keepdim=True) + 1e-5).rsqrt()
        normed = (x - mean) * rstd
        ctx.save_for_backward(normed, rstd, weight)
        return normed * weight + bias

    @staticmethod
    def backward(ctx, dout):
        normed, rstd, weight = ctx.saved_tensors
        dn = dout * weight
        dx = rstd * (dn - dn.mean(-1, True) - normed * (dn * normed).mean(-1, True))
        rows = tuple(range(dout.dim() - 1))
        return dx, (dout * normed).sum(rows), dout.sum(rows)


class LayerNorm32(Function):
    """Computes in float32, as kernels do."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        wide, w = x.float(), weight.float()
        mean = wide.mean(-1, keepdim=True)
        rstd = ((wide - mean).square().mean(-1, keepdim=True) + 1e-5).rsqrt()
        normed = (wide - mean) * rstd
        ctx.save_for_backward(normed, rstd, weight)
        return (normed * w + bias.float()).to(x.dtype)

    @staticmethod
    def backward(ctx, dout):
        normed, rstd, weight = ctx.saved_tensors
        wide = dout.float()
        dn = wide * weight.float()
        dx = rstd * (dn - dn.mean(-1, True) - normed * (dn * normed).mean(-1, True))
        rows = tuple(range(dout.dim() - 1))
        kind = dout.dtype
        return dx.to(kind), (wide * normed).sum(rows).to(kind), wide.sum(rows).to(kind)


class RMSNorm(Function):
    @staticmethod
    def forward(ctx, x, weight):
        rstd = (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
        ctx.save_for_backward(x, weight, rstd)
        return x * rstd * weight

    @staticmethod
    def backward(ctx, dout):
        x, weight, rstd = ctx.saved_tensors
        dn, normed = dout * weight, x * rstd
        dx = rstd * (dn - normed * (dn * normed).mean(-1, True))
        return dx, (dout * normed).sum(tuple(range(dout.dim() - 1)))


def layer_norm(x, weight, bias):
    return F.layer_norm(x, x.shape[-1:], weight, bias)


def layer_norm_steps(x, weight, bias):
    mean = x.mean(-1, keepdim=True)
    var = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias


def rms_norm(x, weight):
    return F.rms_norm(x, x.shape[-1:], weight, 1e-6)


def rms_norm_wide(x, weight):
    wide = x.float()
    normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
    return (normed * weight).to(x.dtype)


NORM = {"x": "B C", "weight": "C", "bias": "C"}
