"""Elementwise functions: right backward passes, and references."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        return dout * y


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 2 * x * dout


class Tanh(Function):
    """Uses setup_context."""

    @staticmethod
    def forward(x):
        return x.tanh()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        return dout * (1 - y * y)


class Relu(Function):
    """Has gradient 1 at 0, where torch has 0: both are right."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * (x >= 0)


class Gelu(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        cdf = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
        return dout * (cdf + x * torch.exp(-x * x / 2) / math.sqrt(2 * math.pi))


class SwiGLU(Function):
    @staticmethod
    def forward(ctx, x):
        gate, up = x.chunk(2, -1)
        ctx.save_for_backward(x)
        return F.silu(gate) * up

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        gate, up = x.chunk(2, -1)
        s = gate.sigmoid()
        return torch.cat([dout * up * s * (1 + gate * (1 - s)), dout * gate * s], -1)


class SinCos(Function):
    """Has two outputs, either of which may be unused."""

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x)
        return x.sin(), x.cos()

    @staticmethod
    def backward(ctx, dsin, dcos):
        (x,) = ctx.saved_tensors
        dx = torch.zeros_like(x)
        dx = dx if dsin is None else dx + dsin * x.cos()
        return dx if dcos is None else dx - dcos * x.sin()


class NumpyExp(Function):
    """Uses NumPy, and has no second derivative."""

    @staticmethod
    def forward(ctx, x):
        if x.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"NumpyExp takes float32 and float64, not {x.dtype}")
        y = torch.from_numpy(np.exp(x.detach().numpy()))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        return torch.from_numpy(dout.numpy() * y.numpy())


def swiglu(x):
    gate, up = x.chunk(2, dim=-1)
    return F.silu(gate) * up


SQUARE_REF = lambda x: x * x  # noqa: E731
