"""Indices, memory, sizes, and what autograd is told."""

import torch
from torch.autograd import Function

from checker.functions.reported.case import Reported, pair

ONE = {"x": "B C"}
WEIGHT = {"x": "B C", "w": "C"}


def rows(t, i):
    return t[i]


def rows_right(dout, t, i):
    return torch.zeros_like(t).index_add_(0, i, dout), None


def rows_wrong(dout, t, i):
    d = torch.zeros_like(t)
    d[i] = dout
    return d, None


def rows_dtype(dout, t, i):
    return torch.zeros(t.shape).index_add_(0, i, dout), None


def picked(x, i):
    return x.gather(1, i)


def picked_right(dout, x, i):
    return torch.zeros_like(x).scatter_add_(1, i, dout), None


def picked_wrong(dout, x, i):
    return torch.zeros_like(x).scatter_(1, i, dout), None


def top(x):
    return x.amax(-1)


def top_right(dout, x):
    w = x == x.amax(-1, keepdim=True)
    return w * dout[..., None] / w.sum(-1, keepdim=True)


def top_wrong(dout, x):
    return (x == x.amax(-1, keepdim=True)) * dout[..., None]


def roll_right(dout, x):
    return dout.roll(-1, 1)


def roll_wrong(dout, x):
    return dout.roll(1, 1)


def outer(k, v):
    return torch.einsum("nk,nv->nkv", k, v)


def outer_right(dout, k, v):
    return torch.einsum("nkv,nv->nk", dout, v), torch.einsum("nkv,nk->nv", dout, k)


def outer_square(dout, k, v):
    _, dv = outer_right(dout, k, v)
    n = min(k.shape[1], v.shape[1])
    return torch.einsum("nkv,nv->nk", dout[:, :, :n], v[:, :n]), dv


def scaled(x, w):
    return x * w


def scaled_right(dout, x, w):
    return dout * w, (dout * x).sum(0)


def scaled_none(dout, x, w):
    return dout * w, None


def scaled_squeeze(dout, x, w):
    return (dout.squeeze() * w).reshape(x.shape), (dout.squeeze().reshape(x.shape) * x).mean(0)


def scaled_blocks(dout, x, w):
    dw = torch.zeros_like(w)
    for b in range(0, len(x), 32):
        dw = (dout[b : b + 32] * x[b : b + 32]).sum(0)
    return dout * w, dw


def scaled_last_block(dout, x, w):
    n = x.shape[0] // 16 * 16 if x.shape[0] >= 16 else x.shape[0]
    return dout * w, (dout[:n] * x[:n]).sum(0)


def scaled_flat(dout, x, w):
    storage, start = dout.untyped_storage(), dout.storage_offset()
    read = torch.empty(0, dtype=dout.dtype)
    read = read.set_(storage, start, (storage.nbytes() // dout.element_size() - start,))
    read = read[: dout.numel()].reshape(dout.shape) if len(read) >= dout.numel() else dout
    return read * w, (dout * x).sum(0)


def linear(x, w):
    return x @ w


def linear_right(dout, x, w):
    return dout @ w.mT, x.mT @ dout


def linear_mean(dout, x, w):
    return dout @ w.mT, x.mT @ dout / max(len(x), 1)


def mean_right(dout, x):
    return dout[:, None].expand_as(x) / x.shape[1]


def mean_wrong(dout, x):
    return dout[:, None].expand_as(x)


def var_right(dout, x):
    return 2 * (x - x.mean(1, keepdim=True)) / x.shape[1] * dout[:, None]


def var_wrong(dout, x):
    return 2 * (x - x.mean(1, keepdim=True)) / (x.shape[1] - 1) * dout[:, None]


class Sigmoid(Function):
    """Right."""

    @staticmethod
    def forward(ctx, x):
        y = x.sigmoid()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        return dout * y * (1 - y)


class OnClass(Sigmoid):
    """Keeps its result on the class."""

    @staticmethod
    def forward(ctx, x):
        OnClass.y = x.sigmoid()
        return OnClass.y.clone()

    @staticmethod
    def backward(ctx, dout):
        y = OnClass.y
        return dout * y * (1 - y) if y.shape == dout.shape else dout


_BUFFERS = {}


class Buffered(Sigmoid):
    """Returns its gradient in a buffer that is used again."""

    @staticmethod
    def backward(ctx, dout):
        g = Sigmoid.backward(ctx, dout)
        buffer = _BUFFERS.setdefault((g.shape, g.dtype), torch.empty_like(g))
        return buffer.copy_(g)


class InPlace(Function):
    """relu in place, as declared: right."""

    @staticmethod
    def forward(ctx, x):
        x.clamp_(min=0)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        return dout * (y > 0)


class InPlaceUndeclared(InPlace):
    """relu in place, and nobody knows."""

    @staticmethod
    def forward(ctx, x):
        x.data.clamp_(min=0)
        ctx.save_for_backward(x)
        return x.clone()


class Overwrites(Sigmoid):
    """Writes its gradient into dout."""

    @staticmethod
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        return dout.mul_(y * (1 - y))


class Pair(Function):
    """Two outputs: right."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin(), x.cos()

    @staticmethod
    def backward(ctx, da, db):
        (x,) = ctx.saved_tensors
        return da * x.cos() - db * x.sin()


class Marked(Pair):
    """The second output is declared to have no gradient."""

    @staticmethod
    def forward(ctx, x):
        a, b = Pair.forward(ctx, x)
        ctx.mark_non_differentiable(b)
        return a, b


class Half(Sigmoid):
    """Computes in bfloat16."""

    @staticmethod
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        y, d = y.bfloat16(), dout.bfloat16()
        return (d * y * (1 - y)).to(dout.dtype)


class Single(Sigmoid):
    """Computes in float32: right."""

    @staticmethod
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        y, d = y.float(), dout.float()
        return (d * y * (1 - y)).to(dout.dtype)


class Contiguous(Sigmoid):
    """Needs rows without gaps, and says so: right."""

    @staticmethod
    def forward(ctx, x):
        if x.stride(-1) != 1:
            raise ValueError("the last dimension must be contiguous")
        return Sigmoid.forward(ctx, x)


class Sixteen(Sigmoid):
    """Needs a multiple of 16, and says so: right."""

    @staticmethod
    def forward(ctx, x):
        assert x.shape[-1] % 16 == 0, "the last dimension must be a multiple of 16"
        return Sigmoid.forward(ctx, x)


SIN_COS = lambda x: (x.sin(), x.cos())  # noqa: E731
STD = lambda x: ((x - x.mean(1, keepdim=True)).square().sum(1) / (x.shape[1] - 1)).sqrt()  # noqa: E731
CASES = {
    "rows": pair(rows, {"t": "V C", "i": "N < V"}, rows_right, rows_wrong, "HG187"),
    "rows dtype": pair(rows, {"t": "V C", "i": "N < V"}, rows_right, rows_dtype, "HG181"),
    "gather": pair(picked, {"x": "B C", "i": "B K < C"}, picked_right, picked_wrong, "HG187"),
    "amax": pair(top, ONE, top_right, top_wrong, "HG184"),
    "roll": pair(lambda x: x.roll(1, 1), ONE, roll_right, roll_wrong, "HG191"),
    "outer": pair(outer, {"k": "N K", "v": "N V"}, outer_right, outer_square, "HG185"),
    "weight none": pair(scaled, WEIGHT, scaled_right, scaled_none, "HG159"),
    "weight mean": pair(scaled, WEIGHT, scaled_right, scaled_squeeze, "HG162", "HG172"),
    "weight blocks": pair(scaled, WEIGHT, scaled_right, scaled_blocks, "HG187"),
    "weight last block": pair(scaled, WEIGHT, scaled_right, scaled_last_block, "HG153"),
    "strides": pair(scaled, WEIGHT, scaled_right, scaled_flat, "HG157"),
    "linear mean": pair(linear, {"x": "N I", "w": "I O"}, linear_right, linear_mean, "HG162"),
    "mean": pair(lambda x: x.mean(1), ONE, mean_right, mean_wrong, "HG162"),
    "variance": pair(
        lambda x: x.var(1, correction=0), ONE, var_right, var_wrong, "HG162"),
    "class": (
        Reported(Sigmoid.apply, torch.sigmoid, ONE),
        Reported(OnClass.apply, torch.sigmoid, ONE, ("HG183",))),
    "buffer": (
        Reported(Single.apply, torch.sigmoid, ONE),
        Reported(Buffered.apply, torch.sigmoid, ONE, ("HG183",))),
    "in place": (
        Reported(InPlace.apply, torch.relu, ONE),
        Reported(InPlaceUndeclared.apply, torch.relu, ONE, ("HG164",))),
    "overwrites": (
        Reported(Contiguous.apply, torch.sigmoid, ONE),
        Reported(Overwrites.apply, torch.sigmoid, ONE, ("HG164",))),
    "marked": (
        Reported(Pair.apply, SIN_COS, ONE),
        Reported(Marked.apply, SIN_COS, ONE, ("HG182",))),
    "detached": (
        Reported(Marked.apply, lambda x: (x.sin(), x.detach().cos()), ONE),
        Reported(lambda x: (x.sin(), x.detach().cos()), SIN_COS, ONE, ("HG182",))),
    "half": (
        Reported(Sixteen.apply, torch.sigmoid, ONE),
        Reported(Half.apply, torch.sigmoid, ONE, ("HG165",))),
    "large": (
        Reported(lambda x: (12 * x).exp().sum(1), lambda x: (12 * x).exp().sum(1), ONE),
        Reported(lambda x: (x.exp() / x.exp().sum(1, keepdim=True)),
                 lambda x: (9 * x).softmax(1), ONE, ("HG166",))),
    "deviation": (
        Reported(STD, lambda x: x.std(1), ONE),
        Reported(lambda x: x.std(1, correction=0), lambda x: x.std(1), ONE, ("HG166", "HG162"))),
}  # fmt: skip
