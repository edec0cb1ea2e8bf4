"""Products with a weight or a scale: right backward passes, and references."""

import torch
from torch.autograd import Function


class Linear(Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return x @ weight.T + bias

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        return dout @ weight, dout.T @ x, dout.sum(0)


class Mul(Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x * weight

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        return dout * weight, (dout * x).sum(0)


class ScaledRows(Function):
    """Multiplies each row by its scale, as dequantisation does."""

    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x, scale)
        return x * scale[:, None]

    @staticmethod
    def backward(ctx, dout):
        x, scale = ctx.saved_tensors
        return dout * scale[:, None], (dout * x).sum(-1)


class Picky(Function):
    """Refuses layouts, dtypes and sizes that it does not support."""

    @staticmethod
    def forward(ctx, x, weight):
        if not (x.is_contiguous() and weight.is_contiguous()):
            raise RuntimeError("inputs must be contiguous")
        assert x.dtype == torch.float32
        if x.shape[-1] % 16:
            raise ValueError(f"the last dimension must be a multiple of 16, got {x.shape[-1]}")
        ctx.save_for_backward(x, weight)
        return x * weight

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        return dout * weight, (dout * x).sum(0)


class Needed(Function):
    """Computes only the gradients that are wanted."""

    @staticmethod
    def forward(ctx, x, weight):
        needs_x, needs_w = ctx.needs_input_grad
        ctx.save_for_backward(x if needs_w else None, weight if needs_x else None)
        return x * weight

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        dx = dout * weight if ctx.needs_input_grad[0] else None
        return dx, (dout * x).sum(0) if ctx.needs_input_grad[1] else None


MUL_REF = lambda x, w: x * w  # noqa: E731
SCALED_REF = lambda x, s: x * s[:, None]  # noqa: E731
SCALED = {"x": "B C", "scale": "B > 0"}
