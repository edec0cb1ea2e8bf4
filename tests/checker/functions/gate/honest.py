"""Honest kernels, each the twin of a cheating one in cheats.py."""

import functools

import torch

_buffers = {}


class Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        shifted = (x - x.amax(-1, keepdim=True)).exp() if x.numel() else x
        y = shifted / shifted.sum(-1, keepdim=True)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        return y * (dout - (dout * y).sum(-1, keepdim=True))


class RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        rstd = (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
        ctx.save_for_backward(x, rstd, weight)
        return x * rstd * weight

    @staticmethod
    def backward(ctx, dout):
        x, rstd, weight = ctx.saved_tensors
        normed, dnormed = x * rstd, dout * weight
        dx = rstd * (dnormed - normed * (dnormed * normed).mean(-1, keepdim=True))
        return dx, (dout * normed).sum(0)


def around(x, weight):
    """Moves numbers before and after its kernel."""
    return RMSNorm.apply(x.transpose(0, 1).contiguous().transpose(0, 1), weight).clone().view_as(x)


@functools.lru_cache
def _exponent(size):
    return 1.0 / size


def configured(x):
    """Keeps what depends on the shape alone."""
    _exponent(max(x.shape[-1], 1))
    return Softmax.apply(x)


class Workspace(RMSNorm):
    """Keeps memory for an intermediate result, which it writes before it reads it."""

    @staticmethod
    def forward(ctx, x, weight):
        key = (x.shape, x.dtype)
        if key not in _buffers:
            _buffers[key] = torch.empty_like(x, memory_format=torch.contiguous_format)
        square = torch.mul(x, x, out=_buffers[key])
        rstd = (square.mean(-1, keepdim=True) + 1e-6).rsqrt()
        ctx.save_for_backward(x, rstd, weight)
        return x * rstd * weight


class InSingle(RMSNorm):
    """Computes half precision in float32."""

    @staticmethod
    def forward(ctx, x, weight):
        wide = torch.promote_types(x.dtype, torch.float32)
        given, x, w = x.dtype, x.to(wide), weight.to(wide)
        rstd = (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
        ctx.save_for_backward(x, rstd, w)
        ctx.given = given
        return (x * rstd * w).to(given)

    @staticmethod
    def backward(ctx, dout):
        dx, dweight = RMSNorm.backward(ctx, dout.to(ctx.saved_tensors[0].dtype))
        return dx.to(ctx.given), dweight.to(ctx.given)


class Blocks(Softmax):
    """Refuses what it does not support."""

    @staticmethod
    def forward(ctx, x):
        if x.shape[-1] % 16:
            raise ValueError("the last dimension must be a multiple of 16")
        return Softmax.forward(ctx, x)


def forward_alone(x):
    shifted = (x - x.amax(-1, keepdim=True)).exp() if x.numel() else x
    return shifted / shifted.sum(-1, keepdim=True)


class Slower(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x * 1e7).sin()

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * 1e7 * (x * 1e7).cos()


class InPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        x.clamp_(min=0)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        return dout * (y > 0)


in_place = InPlace.apply
