"""Gradients in the wrong number, order or shape, or None: mistakes and near misses."""

import torch.nn.functional as F

from checker.functions.kernels.elementwise import SQUARE_REF, Square
from checker.functions.kernels.norms import LayerNorm
from checker.functions.kernels.products import MUL_REF, Linear, Mul, Needed
from checker.functions.kernels.softmax import Attention, CrossEntropy, attention
from checker.functions.wrong.case import (
    ONE,
    QKV,
    QUICK,
    QUICK_ROWS,
    ROWS,
    Case,
    linear,
    mul,
    norm,
    unary,
)
from checker.functions.wrong.planting import changed, wrapped

SMALL = {"sizes": {"T": (3, 1), "D": (5, 1)}, "dtypes": ONE}


class MulSame(Mul):
    """Returns two gradients of the same shape."""

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        return dout * weight, dout * x


class ForgetfulMul(Needed):
    """Saves each operand if its own gradient is wanted, although the other gradient needs it."""

    @staticmethod
    def forward(ctx, x, weight):
        needs_x, needs_w = ctx.needs_input_grad
        ctx.save_for_backward(x if needs_x else None, weight if needs_w else None)
        return x * weight


def mul_kept_dim(ctx, dout):
    x, weight = ctx.saved_tensors
    return dout * weight, (dout * x).sum(0, keepdim=True)


def mul_first_alone(ctx, dout):
    x, weight = ctx.saved_tensors
    if ctx.needs_input_grad[0]:
        return dout * weight, (dout * x).sum(0)
    return None, None


def linear_both_or_none(ctx, dout):
    if not all(ctx.needs_input_grad[:2]):
        return None, None, dout.sum(0)
    return Linear.backward(ctx, dout)


VARIED = ("grad",)

SAYS = {
    "HG150": (
        "backward",
        "backward returns 2 gradients, but forward has 3 inputs (x, weight, bias).",
        "Return one gradient for each argument of forward, in their order, and None for an "
        "argument that has no gradient.",
    ),
    "HG159": (
        "gradient of weight",
        "backward returns None for weight, whose gradient is not 0: weight would never be trained.",
        "Return the gradient of weight at position 1 of what backward returns.",
    ),
    "HG160": (
        "gradient of q, gradient of k",
        "backward returns the gradient of k in place of that of q and the gradient of q in "
        "place of that of k.",
        "Return the gradients in the order of forward's arguments: q, k, v.",
    ),
    "HG161": (
        "backward",
        "The gradient of weight is f64[5,7], but weight is f64[7,5]; its values are right.",
        "Append .T to it.",
    ),
    "HG171": (
        "backward",
        "backward raises this if x alone requires a gradient; it is right if all inputs do.",
        "Compute each gradient by its own flag in ctx.needs_input_grad, and save what each one "
        "needs whichever flags are set.",
    ),
}

MATCH = {
    "HG150": [
        norm(wrapped(LayerNorm, lambda dx, dw, db: (dx, dw))),
        linear(wrapped(Linear, lambda dx, dw, db: (dx, dw, db, dx))),
        Case(wrapped(CrossEntropy, lambda d, _: d), F.cross_entropy, ROWS, QUICK_ROWS),
    ],
    "HG159": [
        norm(wrapped(LayerNorm, lambda dx, dw, db: (dx, None, db))),
        linear(wrapped(Linear, lambda dx, dw, db: (dx, dw, None))),
        mul(wrapped(Mul, lambda dx, dw: (None, dw))),
    ],
    "HG160": [
        Case(wrapped(Attention, lambda q, k, v: (k, q, v)), attention, QKV, SMALL),
        Case(wrapped(MulSame, lambda a, b: (b, a)), MUL_REF, {"x": "B C", "y": "B C"}, QUICK),
        linear(wrapped(Linear, lambda dx, dw, db: (dw, dx, db))),
    ],
    "HG161": [
        linear(wrapped(Linear, lambda dx, dw, db: (dx, dw.T, db))),
        mul(wrapped(Mul, lambda dx, dw: (dx, dw.sum()))),
        unary(wrapped(Square, lambda dx: (dx.flatten(),)), SQUARE_REF),
    ],
    "HG171": [
        mul(ForgetfulMul.apply),
        mul(changed(Mul, mul_first_alone)),
        linear(changed(Linear, linear_both_or_none)),
    ],
}


NEAR = {
    "HG150": [
        linear(wrapped(Linear, lambda dx, dw, db: (dx, dw, db, None))),  # an extra None is right
        linear(wrapped(Linear, lambda dx, dw, db: (dx, dw.T, db))),
    ],
    "HG159": [
        Case(CrossEntropy.apply, F.cross_entropy, ROWS, QUICK_ROWS),  # None for integers
        linear(wrapped(Linear, lambda dx, dw, db: (dx, dw * 0, db))),
    ],
    "HG160": [
        Case(wrapped(Attention, lambda q, k, v: (2 * k, 2 * q, v)), attention, QKV, SMALL),
        linear(wrapped(Linear, lambda dx, dw, db: (dx, dw.T, db))),
    ],
    "HG161": [
        mul(changed(Mul, mul_kept_dim)),  # autograd sums it
        linear(wrapped(Linear, lambda dx, dw, db: (dx, 2 * dw.T, db))),
    ],
    "HG171": [
        mul(Needed.apply),
        mul(wrapped(Mul, lambda dx, dw: (dx, None))),
    ],
}
