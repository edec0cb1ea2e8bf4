"""Reductions of rows, and functions that move elements: right backward passes, and references."""

import torch
from torch.autograd import Function


class MeanSquare(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x * x).mean(-1)

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 2 * x * dout[:, None] / x.shape[-1]


class Cumsum(Function):
    @staticmethod
    def forward(ctx, x):
        return x.cumsum(-1)

    @staticmethod
    def backward(ctx, dout):
        return dout.flip(-1).cumsum(-1).flip(-1)


class Maximum(Function):
    """Returns the maximum of each row. At a tie the first element gets the gradient."""

    @staticmethod
    def forward(ctx, x):
        index = x.argmax(-1, keepdim=True)
        ctx.save_for_backward(index)
        ctx.shape = x.shape
        return x.gather(-1, index).squeeze(-1)

    @staticmethod
    def backward(ctx, dout):
        (index,) = ctx.saved_tensors
        return dout.new_zeros(ctx.shape).scatter(-1, index, dout[..., None])


class SortedValues(Function):
    """Has two outputs, one of which has no gradient."""

    @staticmethod
    def forward(ctx, x):
        values, index = x.sort(-1)
        ctx.save_for_backward(index)
        ctx.mark_non_differentiable(index)
        return values, index

    @staticmethod
    def backward(ctx, dvalues, _):
        (index,) = ctx.saved_tensors
        return torch.zeros_like(dvalues).scatter(-1, index, dvalues)


class Embedding(Function):
    @staticmethod
    def forward(ctx, index, table):
        ctx.save_for_backward(index)
        ctx.shape = table.shape
        return table[index]

    @staticmethod
    def backward(ctx, dout):
        (index,) = ctx.saved_tensors
        dtable = torch.zeros(ctx.shape, dtype=torch.float32, device=dout.device)
        if dout.dtype == torch.float64:
            dtable = dtable.double()
        dtable.index_add_(
            0, index.flatten(), dout.reshape(index.numel(), ctx.shape[1]).to(dtable.dtype)
        )
        return None, dtable.to(dout.dtype)


class Flat(Function):
    """Returns a view of its input."""

    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.reshape(-1)

    @staticmethod
    def backward(ctx, dout):
        return dout.reshape(ctx.shape)


MEAN_SQUARE_REF = lambda x: (x * x).mean(-1)  # noqa: E731
