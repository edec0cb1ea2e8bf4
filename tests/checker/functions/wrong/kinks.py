"""Gradients where elements are equal: mistakes and near misses."""

import torch
from torch.autograd import Function

from checker.functions.kernels.elementwise import Exp
from checker.functions.kernels.rows import Maximum
from checker.functions.wrong.case import unary
from checker.functions.wrong.planting import changed, wrapped

HIGHEST = lambda x: x.amax(-1)  # noqa: E731
LOWEST = lambda x: x.amin(-1)  # noqa: E731


class Row(Function):
    """The largest element of a row."""

    @staticmethod
    def forward(ctx, x):
        out = x.amax(-1)
        ctx.save_for_backward(x, out)
        return out


class Low(Function):
    @staticmethod
    def forward(ctx, x):
        out = x.amin(-1)
        ctx.save_for_backward(x, out)
        return out


class Positive(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp_min(0)


class Magnitude(Positive):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.abs()


def every(ctx, dout):
    x, out = ctx.saved_tensors
    return (x == out[:, None]) * dout[:, None]


def shared(ctx, dout):
    x, out = ctx.saved_tensors
    winners = x == out[:, None]
    return winners * dout[:, None] / winners.sum(1, keepdim=True)


def last(ctx, dout):
    x, out = ctx.saved_tensors
    winners = x == out[:, None]
    return (winners & (winners.flip(1).cumsum(1).flip(1) == 1)) * dout[:, None]


def none_if_shared(ctx, dout):
    x, out = ctx.saved_tensors
    winners = x == out[:, None]
    return (winners & (winners.sum(1, keepdim=True) == 1)) * dout[:, None]


def step(at_zero):
    return lambda ctx, dout: dout * torch.heaviside(*ctx.saved_tensors, dout.new_tensor(at_zero))


def signs(at_zero):
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * torch.where(x == 0, at_zero, x.sign())

    return backward


FIX = "Give the gradient to one of the equal elements, or divide it among them."
VARIED = ("ties", "sizes")

SAYS = {
    "HG184": (
        "gradient of x",
        "Every element that ties for a maximum, minimum or place in an order gets the full "
        "gradient: 3 equal elements share one, so the sum is 3 times too large. That is no "
        "subgradient.",
        FIX,
    ),
}

MATCH = {
    "HG184": [
        unary(changed(Row, every), HIGHEST),
        unary(changed(Low, every), LOWEST),
        unary(changed(Row, none_if_shared), HIGHEST),
        unary(changed(Positive, step(2.0)), torch.relu),
        unary(changed(Magnitude, signs(-3.0)), torch.abs),
    ]
}

NEAR = {
    "HG184": [
        unary(changed(Row, shared), HIGHEST),
        unary(changed(Row, last), HIGHEST),
        unary(Maximum.apply, HIGHEST),
        unary(changed(Positive, step(1.0)), torch.relu),
        unary(changed(Positive, step(0.5)), torch.relu),
        unary(changed(Magnitude, signs(0.3)), torch.abs),
        unary(wrapped(Exp, lambda dx: (2 * dx,)), torch.exp),
    ]
}
