"""Sizes that break a kernel: mistakes and near misses."""

import torch
import torch.nn.functional as F
from torch.autograd import Function

from checker.functions.kernels.elementwise import SQUARE_REF, Exp, Gelu, Square
from checker.functions.kernels.norms import LayerNorm
from checker.functions.kernels.products import Linear, Mul
from checker.functions.kernels.rows import MEAN_SQUARE_REF, Cumsum, Embedding, MeanSquare
from checker.functions.wrong.case import EXP, LIN, ONE, Case, mul, norm, unary
from checker.functions.wrong.planting import blocks, forwarded, padded, upstreamed, wrapped

LONG = {"B": (3, 16), "C": (5, 64, 65, 127, 257)}
LONG_ROWS = {"sizes": {"N": (3, 64, 65, 127), "I": (5,), "O": (7,)}, "dtypes": ONE}
EMBED = {"sizes": {"B": (3, 16, 0), "V": (5, 16), "C": (7, 1)}, "dtypes": ONE}


class Embed(Embedding):
    """Fails if there are no rows."""

    @staticmethod
    def backward(ctx, dout):
        (index,) = ctx.saved_tensors
        dtable = dout.new_zeros(ctx.shape)
        return None, dtable.index_add(0, index.flatten(), dout.reshape(len(dout), -1))


class HalvedSum(Function):
    """Sums by halving, and drops odd elements."""

    @staticmethod
    def forward(ctx, x):
        ctx.kept = 1 << max(x.shape[-1].bit_length() - 1, 0)
        ctx.shape = x.shape
        return x[..., : ctx.kept].sum(-1)

    @staticmethod
    def backward(ctx, dout):
        return dout[..., None].expand(ctx.shape)


class PaddedMean(MeanSquare):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x * x).sum(-1) / padded(x.shape[-1])

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 2 * x * dout[:, None] / padded(x.shape[-1])


def one_row_is_nothing(right):
    return wrapped(right, lambda *g: tuple(v * (v.shape[:1] != (1,)) for v in g))


def crashing(right):
    """Return a Function that reads the first element even of an empty input."""

    def forward(ctx, *inputs):
        inputs[0].reshape(-1)[0]
        return right.forward(ctx, *inputs)

    return type(right.__name__, (right,), {"forward": staticmethod(forward)}).apply


def refusing(right):
    """Return a Function that refuses empty inputs."""

    def forward(ctx, *inputs):
        if not inputs[0].numel():
            raise ValueError("the input must not be empty")
        return right.forward(ctx, *inputs)

    return type(right.__name__, (right,), {"forward": staticmethod(forward)}).apply


def first_lost(dx):
    dx = dx.clone()
    dx[:1] = 0
    return dx


class PaddedCumsum(Cumsum):
    """Scans the padding too, which repeats the last element."""

    @staticmethod
    def backward(ctx, dout):
        n = dout.shape[-1]
        if n == 0:
            return dout
        rest = dout[..., -1:].expand(*dout.shape[:-1], padded(n) - n)
        wide = torch.cat([dout, rest], -1)
        return wide.flip(-1).cumsum(-1).flip(-1)[..., :n]


SUM_REF = lambda x: x.sum(-1)  # noqa: E731

VARIED = ("sizes",)

SAYS = {
    "HG153": (
        "output, gradient of weight",
        "The last block of C is lost: at C=65, only index 64 is wrong; at C=64 the result is "
        "right. The block size is 64.",
        "Round the number of blocks up, (C + 63) // 64, and mask the remainder.",
    ),
    "HG169": (
        "output, gradient of x",
        "Only right if C is a power of two: right for 2, 4 and 16, wrong for 3, 6 and 13.",
        "Mask the padding, and divide by C itself.",
    ),
    "HG170": (
        "forward",
        "For an empty input (B=0) forward raises this; the reference returns a result.",
        "Return early if x.numel() == 0.",
    ),
    "HG172": (
        "gradient of x",
        "At B=1 the result is wrong; at B=2 it is right.",
        "Name the dimension in .squeeze(dim); look for n - 1, and for operands that broadcast "
        "at size 1.",
    ),
}

MATCH = {
    "HG153": [
        mul(forwarded(Mul, lambda v: blocks(v, 64), 0), sizes=LONG, dtypes=ONE),
        Case(upstreamed(Linear, lambda u: blocks(u, 32, 0)), F.linear, LIN, LONG_ROWS),
        Case(
            wrapped(Gelu, lambda dx: blocks(dx, 128)),
            F.gelu,
            {"x": "N"},
            {"sizes": {"N": (3, 127, 128, 257)}, "dtypes": ONE},
        ),
        Case(
            forwarded(MeanSquare, lambda v: blocks(v, 64)),
            MEAN_SQUARE_REF,
            EXP,
            {"sizes": LONG, "dtypes": ONE},
        ),
    ],
    "HG169": [
        unary(PaddedMean.apply, MEAN_SQUARE_REF),
        unary(HalvedSum.apply, SUM_REF),
        unary(PaddedCumsum.apply, lambda x: x.cumsum(-1)),
    ],
    "HG170": [
        unary(crashing(Exp), torch.exp),
        mul(crashing(Mul)),
        Case(Embed.apply, lambda i, t: F.embedding(i, t), {"i": "B < V", "t": "V C"}, EMBED),
    ],
    "HG172": [
        unary(one_row_is_nothing(Square), SQUARE_REF),
        unary(one_row_is_nothing(Exp), torch.exp),
        norm(one_row_is_nothing(LayerNorm)),
    ],
}


NEAR = {
    "HG153": [
        unary(PaddedMean.apply, MEAN_SQUARE_REF, sizes=LONG, dtypes=ONE),
        mul(wrapped(Mul, lambda dx, dw: (first_lost(dx), dw)), sizes=LONG, dtypes=ONE),
    ],
    "HG169": [
        unary(MeanSquare.apply, MEAN_SQUARE_REF),
        Case(
            forwarded(MeanSquare, lambda v: blocks(v, 64)),
            MEAN_SQUARE_REF,
            EXP,
            {"sizes": LONG, "dtypes": ONE},
        ),
    ],
    "HG170": [
        unary(refusing(Exp), torch.exp),
        unary(one_row_is_nothing(Exp), torch.exp),
    ],
    "HG172": [
        unary(crashing(Exp), torch.exp),
        unary(wrapped(Square, lambda dx: (dx / 2,)), SQUARE_REF),
    ],
}
