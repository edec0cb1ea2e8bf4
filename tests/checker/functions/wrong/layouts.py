"""Strides that are ignored: mistakes and near misses."""

import torch

from checker.functions.kernels.elementwise import Exp, Tanh
from checker.functions.kernels.norms import LayerNorm
from checker.functions.kernels.products import Linear, Picky
from checker.functions.wrong.case import linear, mul, norm, unary
from checker.functions.wrong.planting import changed, forwarded, upstreamed


def read_in_order(value):
    """Return what a kernel reads that ignores strides; 0 beyond the last element."""
    if not value.dim() or not value.numel() or value.is_contiguous():
        return value
    flat = value.new_zeros(value.numel())
    storage = torch.empty(0, dtype=value.dtype).set_(value.untyped_storage())
    there = storage[value.storage_offset() :][: value.numel()]
    flat[: len(there)] = there
    return flat.view(value.shape)


def tanh_by_first(ctx, dout):
    """Ignores the strides of the saved output."""
    (y,) = ctx.saved_tensors
    if not y.is_contiguous():
        y = read_in_order(y)
    return dout * (1 - y * y)


def exp_doubles_equal_rows(ctx, dout):
    """Wrong for expanded inputs because their rows are equal, not because of their strides."""
    (y,) = ctx.saved_tensors
    return dout * y * (2 if len(y) > 1 and bool((y == y[:1]).all()) else 1)


def flat(u):
    return u.view(-1).view(u.shape)


VARIED = ("layout", "upstream")

SAYS = {
    "HG154": (
        "output, gradient of x",
        "Only right for contiguous inputs: if x is transposed in memory, its memory is read in "
        "order and its strides are ignored.",
        "Make it contiguous first, x = x.contiguous(), or pass its strides on.",
    ),
    "HG157": (
        "gradient of x",
        "Only right for a contiguous upstream gradient: if it is not contiguous, its memory is "
        "read in order and its strides are ignored.",
        "Begin backward with dout = dout.contiguous().",
    ),
}

MATCH = {
    "HG154": [
        unary(forwarded(Exp, read_in_order), torch.exp),
        norm(forwarded(LayerNorm, read_in_order, 0)),
        linear(forwarded(Linear, read_in_order, 1)),
        unary(changed(Tanh, tanh_by_first), torch.tanh),
    ],
    "HG157": [
        unary(upstreamed(Exp, read_in_order), torch.exp),
        norm(upstreamed(LayerNorm, read_in_order)),
        unary(upstreamed(Tanh, flat), torch.tanh),
    ],
}


NEAR = {
    "HG154": [
        mul(Picky.apply, sizes={"B": (3,), "C": (5, 16)}, dtypes=("float32",)),
        unary(upstreamed(Exp, read_in_order), torch.exp),
        unary(changed(Exp, exp_doubles_equal_rows), torch.exp),
    ],
    "HG157": [
        unary(forwarded(Exp, read_in_order), torch.exp),
        unary(upstreamed(Exp, torch.Tensor.contiguous), torch.exp),
    ],
}
