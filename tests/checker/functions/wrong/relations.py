"""One size in place of another: mistakes and near misses."""

import torch
from torch.autograd import Function

from checker.functions.wrong.case import ONE, Case
from checker.functions.wrong.planting import changed

OUTER = {"k": "N K", "v": "N V"}
OUTER_REF = lambda k, v: k[:, :, None] * v[:, None, :]  # noqa: E731
LONG = {"sizes": {"N": (3, 1), "K": (5, 16, 65), "V": (7, 1)}, "dtypes": ONE}
SIZES = {"sizes": {"N": (3, 1), "K": (5, 1, 16), "V": (7, 1, 16)}, "dtypes": ONE}


class Outer(Function):
    """One outer product per row."""

    @staticmethod
    def forward(ctx, k, v):
        ctx.save_for_backward(k, v)
        return k[:, :, None] * v[:, None, :]

    @staticmethod
    def backward(ctx, dout):
        k, v = ctx.saved_tensors
        return (dout * v[:, None, :]).sum(2), (dout * k[:, :, None]).sum(1)


def short(ctx, dout):
    """Read only K of the V columns."""
    k, v = ctx.saved_tensors
    return (dout * v[:, None, :])[:, :, : k.shape[1]].sum(2), (dout * k[:, :, None]).sum(1)


def short_rows(ctx, dout):
    """Read only V of the K rows."""
    k, v = ctx.saved_tensors
    return (dout * v[:, None, :]).sum(2), (dout * k[:, :, None])[:, : v.shape[1]].sum(1)


def square(ctx, dout):
    """Transpose by reading K columns for V."""
    k, v = ctx.saved_tensors
    turned = dout.reshape(dout.shape[0], v.shape[1], k.shape[1]).mT
    if k.shape[1] == v.shape[1]:
        turned = dout
    return (turned * v[:, None, :]).sum(2), (dout * k[:, :, None]).sum(1)


def doubled(ctx, dout):
    dk, dv = Outer.backward(ctx, dout)
    return 2 * dk, dv


def shifted(ctx, dout):
    dk, dv = Outer.backward(ctx, dout)
    return dk + 0.1 * torch.arange(dk.shape[1], dtype=dk.dtype), dv


def first_half(limit):
    """Return a backward that halves the gradient beyond a limit of the columns."""

    def backward(ctx, dout):
        dk, dv = Outer.backward(ctx, dout)
        dk = dk.clone()
        dk[:, limit:] *= 0.5
        return dk, dv

    return backward


def short_path(ctx, dout):
    """Take another path for short rows."""
    dk, dv = Outer.backward(ctx, dout)
    return (dk if dk.shape[1] > 20 else dk + dk.abs().mean()), dv


VARIED = ("sizes",)

SAYS = {
    "HG185": (
        "gradient of k",
        "If K < V, the result is wrong; otherwise it is right.",
        "Look where one of K and V is used in place of the other: in shapes, strides, loop bounds "
        "and masks.",
    ),
    "HG193": (
        "gradient of k",
        "The result is wrong if K is more than 24; up to 24 it is right.",
        "Look for a fixed length: of a buffer, a block, a loop or a mask; and for another path "
        "that short inputs take.",
    ),
}

MATCH = {
    "HG185": [
        Case(changed(Outer, short), OUTER_REF, OUTER, SIZES),
        Case(changed(Outer, short_rows), OUTER_REF, OUTER, SIZES),
        Case(changed(Outer, square), OUTER_REF, OUTER, SIZES),
    ],
    "HG193": [
        Case(changed(Outer, first_half(24)), OUTER_REF, OUTER, LONG),
        Case(changed(Outer, first_half(40)), OUTER_REF, OUTER, LONG),
        Case(changed(Outer, short_path), OUTER_REF, OUTER, LONG),
    ],
}

NEAR = {
    "HG185": [
        Case(Outer.apply, OUTER_REF, OUTER, SIZES),
        Case(changed(Outer, doubled), OUTER_REF, OUTER, SIZES),
        Case(changed(Outer, shifted), OUTER_REF, OUTER, SIZES),
    ],
    "HG193": [
        Case(Outer.apply, OUTER_REF, OUTER, LONG),
        Case(changed(Outer, shifted), OUTER_REF, OUTER, LONG),
    ],
}
