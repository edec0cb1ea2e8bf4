"""Lost precision, and forward passes that differ: mistakes and near misses."""

import torch
import torch.nn.functional as F
from torch.autograd import Function

from checker.functions.kernels.elementwise import SQUARE_REF, Gelu, Square
from checker.functions.kernels.norms import LayerNorm, LayerNorm32
from checker.functions.kernels.products import MUL_REF, SCALED, SCALED_REF, Mul, ScaledRows
from checker.functions.kernels.rows import MEAN_SQUARE_REF, MeanSquare
from checker.functions.wrong.case import EXP, QUICK, Case, norm, unary
from checker.functions.wrong.planting import changed, first, forwarded, low_sum, wrapped

TALL = {"B": (3, 16, 1031), "C": (5,)}
LOW = ("float64", "bfloat16")


class Unit(Function):
    """Divides each row by its norm, without eps."""

    @staticmethod
    def forward(ctx, x):
        norm = x.square().sum(-1, keepdim=True).sqrt()
        ctx.save_for_backward(x, norm)
        return x / norm

    @staticmethod
    def backward(ctx, dout):
        x, norm = ctx.saved_tensors
        n = x / norm
        return (dout - n * (dout * n).sum(-1, keepdim=True)) / norm


class FlooredUnit(Unit):
    @staticmethod
    def forward(ctx, x):
        norm = x.square().sum(-1, keepdim=True).sqrt().clamp(min=1e-12)
        ctx.save_for_backward(x, norm)
        return x / norm


class Sinc(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin() / x

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * (x.cos() - x.sin() / x) / x


class Expm1OverX(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.expm1() / x

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * (x.exp() - x.expm1() / x) / x


def rounded(dtype):
    return lambda v: v.to(dtype).to(v.dtype) if v.is_floating_point() else v


def tanh_gelu(right=Gelu):
    class TanhGelu(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return F.gelu(x, approximate="tanh")

        @staticmethod
        def backward(ctx, dout):
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                return torch.autograd.grad(F.gelu(leaf, approximate="tanh"), leaf, dout)[0]

    return TanhGelu.apply


def norm_with(eps, correction=0):
    class OtherNorm(LayerNorm):
        @staticmethod
        def forward(ctx, x, weight, bias):
            rstd = (x.var(-1, correction=correction, keepdim=True) + eps).rsqrt()
            normed = (x - x.mean(-1, keepdim=True)) * rstd
            ctx.save_for_backward(normed, rstd, weight)
            return normed * weight + bias

    return OtherNorm.apply


def mul_low_sum(ctx, dout):
    x, weight = ctx.saved_tensors
    return dout * weight, low_sum(dout * x)


class LowMeanSquare(MeanSquare):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return low_sum(x * x, -1) / max(x.shape[-1], 1)


SINC_REF = lambda x: torch.sinc(x / torch.pi)  # noqa: E731
UNIT_REF = lambda x: F.normalize(x, dim=-1, eps=1e-12)  # noqa: E731

VARIED = ("sizes", "long sums", "zeros")

SAYS = {
    "HG165": (
        "gradient of weight",
        "The error grows with B: R is 1 at B=16, 1 at B=127, 47 at B=1031. In float64 the "
        "result is right: sums are accumulated in bfloat16.",
        "Accumulate in float32, and cast the sum.",
    ),
    "HG166": (
        "output",
        "The forward pass computes a different formula from the reference; backward is right for "
        "this forward pass (central differences).",
        "Correct the forward pass, or pass the reference that it implements.",
    ),
    "HG168": (
        "output, gradient of x",
        "NaN or infinite if a row of the inputs is 0; the reference is finite.",
        "Add the reference's eps inside the root or the quotient, or mask before dividing.",
    ),
}

MATCH = {
    "HG165": [
        Case(
            changed(Mul, mul_low_sum),
            MUL_REF,
            {"x": "B C > 0", "weight": "C"},
            {"sizes": TALL, "dtypes": LOW},
        ),
        Case(
            LowMeanSquare.apply,
            MEAN_SQUARE_REF,
            EXP,
            {"sizes": {"B": (3,), "C": TALL["B"]}, "dtypes": LOW},
        ),
        Case(
            forwarded(Gelu, rounded(torch.bfloat16)),
            F.gelu,
            {"x": "N"},
            {"sizes": {"N": (3, 65)}, "dtypes": ("float64", "float32")},
        ),
    ],
    "HG166": [
        unary(tanh_gelu(), F.gelu),
        norm(norm_with(1e-3)),
        norm(norm_with(1e-5, 1), sizes={"B": (3, 16), "C": (5, 16, 65)}),
    ],
    "HG168": [
        unary(Unit.apply, UNIT_REF),
        unary(Sinc.apply, SINC_REF),
        unary(
            Expm1OverX.apply,
            lambda x: torch.where(x == 0, 1, x.expm1() / torch.where(x == 0, 1, x)),
        ),
    ],
}


NEAR = {
    "HG165": [
        norm(LayerNorm32.apply, sizes={"B": (1, 3, 257, 1031), "C": (5, 64)}),
        unary(wrapped(Square, lambda dx: (dx * 1.01,)), SQUARE_REF),
    ],
    "HG166": [
        unary(Gelu.apply, F.gelu),
        Case(forwarded(ScaledRows, first, 1), SCALED_REF, SCALED, QUICK),
    ],
    "HG168": [
        unary(FlooredUnit.apply, UNIT_REF),
        unary(wrapped(FlooredUnit, lambda dx: (dx * 2,)), UNIT_REF),
    ],
}
