"""Outputs and dtypes that autograd or the function drops: mistakes and near misses."""

import torch
from torch.autograd import Function

from checker.functions.kernels.elementwise import Exp, SinCos
from checker.functions.kernels.products import Mul
from checker.functions.wrong.case import EXP, QUICK, Case, mul, unary
from checker.functions.wrong.planting import wrapped

BOTH = ("float64", "float32")
SIN_COS = lambda x: (x.sin(), x.cos())  # noqa: E731
GATHER = {"table": "V C", "index": "N < V"}
SMALL = {"sizes": {"V": (3,), "C": (5,), "N": (7,)}, "dtypes": ("float64", "float32", "bfloat16")}


class Rows(Function):
    """table[index]; the gradient is collected in the default dtype."""

    @staticmethod
    def forward(ctx, table, index):
        ctx.save_for_backward(index)
        ctx.rows = table.shape[0]
        return table[index]

    @staticmethod
    def backward(ctx, dout):
        (index,) = ctx.saved_tensors
        return torch.zeros(ctx.rows, dout.shape[1]).index_add_(0, index, dout), None


class RowsLike(Rows):
    @staticmethod
    def backward(ctx, dout):
        (index,) = ctx.saved_tensors
        return dout.new_zeros(ctx.rows, dout.shape[1]).index_add_(0, index, dout), None


class RowsMatrix(Rows):
    """Multiplies by a matrix of the default dtype."""

    @staticmethod
    def backward(ctx, dout):
        (index,) = ctx.saved_tensors
        chosen = torch.nn.functional.one_hot(index, ctx.rows).float()
        return chosen.T @ dout, None


class Refusing(Exp):
    """Takes float64 only, and says so."""

    @staticmethod
    def forward(ctx, x):
        if x.dtype != torch.float64:
            raise TypeError(f"float64 only, not {x.dtype}")
        return Exp.forward(ctx, x)


class Marked(SinCos):
    """Declares that the second output has no gradient."""

    @staticmethod
    def forward(ctx, x):
        out = SinCos.forward(ctx, x)
        ctx.mark_non_differentiable(out[1])
        return out


def only_double(dx):
    return (torch.zeros(dx.shape, dtype=torch.float64).copy_(dx) @ torch.eye(dx.shape[1]).double(),)


def in_default(dx, dw):
    return dx, torch.ones(dx.shape[1], 1).mm(dw[None]).mean(0) if len(dw) else dw


VARIED = ("sizes", "output")

SAYS = {
    "HG181": (
        "backward",
        "backward raises this in float64 and bfloat16; in float32 it is right, and the reference "
        "supports all of them.",
        "Create tensors in the dtype of the inputs (dtype=dout.dtype), or check only the dtypes "
        'that are meant: dtypes=("float32",).',
    ),
    "HG182": (
        "output 1",
        "Output 1 does not require a gradient; the reference's does: a loss that uses it trains "
        "nothing through it.",
        "Remove .detach, .data, no_grad or ctx.mark_non_differentiable, and return its "
        "contribution in backward; if it is meant, detach it in the reference.",
    ),
}

MATCH = {
    "HG181": [
        Case(Rows.apply, lambda t, i: t[i], GATHER, SMALL),
        Case(RowsMatrix.apply, lambda t, i: t[i], GATHER, SMALL),
        mul(wrapped(Mul, in_default), dtypes=BOTH),
    ],
    "HG182": [
        unary(lambda x: (x.sin(), x.detach().cos()), SIN_COS),
        unary(Marked.apply, SIN_COS),
        Case(lambda x: (x.detach().sum(-1), x * 2), lambda x: (x.sum(-1), x * 2), EXP, QUICK),
    ],
}

NEAR = {
    "HG181": [
        unary(Refusing.apply, torch.exp, dtypes=BOTH),
        Case(RowsLike.apply, lambda t, i: t[i], GATHER, SMALL),
        unary(wrapped(Exp, lambda dx: (2 * dx,)), torch.exp, dtypes=BOTH),
    ],
    "HG182": [
        unary(SinCos.apply, SIN_COS),
        unary(Marked.apply, lambda x: (x.sin(), x.detach().cos())),
        unary(wrapped(SinCos, lambda dx: (2 * dx,)), SIN_COS),
    ],
}
