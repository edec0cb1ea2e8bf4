"""Hand-written functions with one mistake each, by the code of its cause; and near misses of it.

Each case is (function, reference, inputs), and keyword arguments of check_function where it needs
them. A near miss is wrong in a way that looks alike, or right, and must not get the code.
"""

import functools
import math
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from right import (
    NORM,
    Attention,
    CrossEntropy,
    CrossEntropyRows,
    Cumsum,
    Gelu,
    LayerNorm,
    LayerNorm32,
    Linear,
    Maximum,
    Needed,
    NumpyExp,
    RMSNorm,
    ScaledRows,
    SinCos,
    Softmax,
    Tanh,
    attention,
    layer_norm,
    layer_norm_steps,
    rms_norm,
    swiglu,
)
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def made(forward, backward, **flags):
    """An autograd.Function of a forward that returns (out, saved...) and a backward of them."""

    def run(ctx, *inputs):
        out, *ctx.saved = forward(*inputs)
        ctx.inputs = len(inputs)
        return out

    def back(ctx, *upstream):
        return backward(*upstream, *ctx.saved)

    space = {"forward": staticmethod(run), "backward": staticmethod(back)}
    return type("Made", (Function,), space).apply


def changed(right, backward):
    """A right Function with another backward, which takes ctx."""
    return type(right.__name__, (right,), {"backward": staticmethod(backward)}).apply


def wrapped(right, change):
    """A right Function whose gradients are changed: `change` takes and returns them as a tuple."""

    def backward(ctx, *upstream):
        gradients = right.backward(ctx, *upstream)
        return change(*(gradients if isinstance(gradients, tuple) else (gradients,)))

    return changed(right, backward)


def upstreamed(right, change):
    """A right Function that gets its upstream gradient changed."""
    return changed(right, lambda ctx, *upstream: right.backward(ctx, *map(change, upstream)))


def forwarded(right, change, *positions):
    """A right Function that reads some of its inputs changed."""

    def forward(ctx, *inputs):
        read = [change(v) if i in positions or not positions else v for i, v in enumerate(inputs)]
        return right.forward(ctx, *read)

    return type(right.__name__, (right,), {"forward": staticmethod(forward)}).apply


def in_order(value):
    """What a kernel reads that is told no strides."""
    if not value.dim() or not value.numel():
        return value
    stride = torch.empty(value.shape, device="meta").stride()
    return value.as_strided(value.shape, stride, value.storage_offset())


def read_in_order(value):
    """The same, where memory beyond the last element reads as 0."""
    if not value.dim() or not value.numel() or value.is_contiguous():
        return value
    flat = value.new_zeros(value.numel())
    storage = torch.empty(0, dtype=value.dtype).set_(value.untyped_storage())
    there = storage[value.storage_offset():][: value.numel()]
    flat[: len(there)] = there
    return flat.view(value.shape)


def blocks(value, size, dim=-1):
    """The value with its last block, where it is not whole, set to 0."""
    value = value.clone()
    whole = value.shape[dim] // size * size
    value.narrow(dim, whole, value.shape[dim] - whole).zero_()
    return value


def padded(n):
    return 1 << max(n - 1, 0).bit_length()


def low_sum(value, dim=0):
    """A running sum in the value's own dtype."""
    total = torch.zeros_like(value.select(dim, 0)) if value.shape[dim] else value.sum(dim)
    for row in value.unbind(dim):
        total = total + row
    return total


EXP = {"x": "B C"}
MUL = {"x": "B C", "weight": "C"}
ROWS = {"logits": "N V", "targets": "N < V"}
QKV = {"q": "T D", "k": "T D", "v": "T D"}
LIN = {"x": "N I", "weight": "O I", "bias": "O"}
SMALL = {"sizes": {"T": (1, 2, 16, 65), "D": (1, 2, 16, 0)}}
MUL_REF = lambda x, w: x * w  # noqa: E731
SQUARE_REF = lambda x: x * x  # noqa: E731
CE_ROWS = functools.partial(F.cross_entropy, reduction="none")


class Mul(Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x * weight

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        return dout * weight, (dout * x).sum(0)


class MulSame(Mul):
    """Both of one shape."""

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        return dout * weight, dout * x


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        return dout * y


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 2 * x * dout


class MeanSquare(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x * x).mean(-1)

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 2 * x * dout[:, None] / x.shape[-1]


MEAN_SQUARE_REF = lambda x: (x * x).mean(-1)  # noqa: E731


def _bad(error, when):
    if when:
        raise error


def _exp_empty(ctx, x):
    if not x.numel():
        x.reshape(-1)[0]
    return Exp.forward(ctx, x)


def _uses_arange_max(ctx, logits, targets):
    targets.max().item()
    return CrossEntropy.forward(ctx, logits, targets)


def _once(right):
    return changed(right, once_differentiable(right.backward))


def _mutate_saved(ctx, dout):
    y = ctx.saved_tensors[0]
    y.data.mul_(dout)
    return y.clone()


def _softmax_overwrites(ctx, dp):
    (p,) = ctx.saved_tensors
    grad = p * (dp - (dp * p).sum(-1, keepdim=True))
    p.data.copy_(grad)
    return p


def _mul_inplace_checked(ctx, dout):
    (y,) = ctx.saved_tensors
    return y.mul_(dout)


def _scratch(value):
    """Memory that holds what was there before: other numbers in every call."""
    _scratch.calls += 1
    return torch.full_like(value, float(_scratch.calls))


_scratch.calls = 0


def _unwritten(right, at):
    def backward(ctx, *upstream):
        gradients = right.backward(ctx, *upstream)
        gradients = list(gradients) if isinstance(gradients, tuple) else [gradients]
        whole = _scratch(gradients[at])
        flat = whole.view(-1)
        n = flat.numel() // 8 * 8
        flat[:n] = gradients[at].reshape(-1)[:n]
        gradients[at] = whole
        return tuple(gradients)

    return changed(right, backward)


def _saved_sigmoid(ctx, x):
    ctx.s = x.sigmoid()
    return ctx.s * x


def _silu_backward(ctx, dout):
    s = ctx.s
    return dout * s  # of one branch alone: the reference detaches the other


def _detached(value):
    return value.detach()


class Silu(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        s = x.sigmoid()
        return dout * (s + x * s * (1 - s))


class SiluSaved(Silu):
    """The sigmoid of forward is a constant to a second differentiation."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.s = x.sigmoid()
        return x * ctx.s

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * (ctx.s + x * ctx.s * (1 - ctx.s))


class ExpSaved(Exp):
    @staticmethod
    def forward(ctx, x):
        ctx.y = x.exp()
        return ctx.y.clone()

    @staticmethod
    def backward(ctx, dout):
        return dout * ctx.y


class SoftmaxSaved(Softmax):
    @staticmethod
    def forward(ctx, x):
        ctx.p = x.softmax(-1)
        return ctx.p.clone()

    @staticmethod
    def backward(ctx, dp):
        return ctx.p * (dp - (dp * ctx.p).sum(-1, keepdim=True))


class Lse(Function):
    """Softmax and the logarithm of its sum."""

    @staticmethod
    def forward(ctx, x):
        p = x.softmax(-1)
        ctx.save_for_backward(p)
        return p, x.logsumexp(-1)

    @staticmethod
    def backward(ctx, dp, dlse):
        (p,) = ctx.saved_tensors
        return p * (dp - (dp * p).sum(-1, keepdim=True)) + dlse[..., None] * p


LSE_REF = lambda x: (x.softmax(-1), x.logsumexp(-1))  # noqa: E731
SINCOS_REF = lambda x: (x.sin(), x.cos())  # noqa: E731


def _unmaterialised(right, used):
    """A Function that gets None for outputs that are not used, and does not look."""

    def forward(ctx, *inputs):
        out = right.forward(ctx, *inputs)
        ctx.set_materialize_grads(False)
        return out

    space = {"forward": staticmethod(forward), "backward": staticmethod(used)}
    return type(right.__name__, (right,), space).apply


def _sincos_none(ctx, dsin, dcos):
    (x,) = ctx.saved_tensors
    return dsin * x.cos() - dcos * x.sin()


def _sincos_first_none(ctx, dsin, dcos):
    (x,) = ctx.saved_tensors
    if dsin is None:
        return None
    return dsin * x.cos() - (0 if dcos is None else dcos * x.sin())


def _lse_none(ctx, dp, dlse):
    return Lse.backward(ctx, dp, dlse)


class Rsqrt(Function):
    """x over its norm, without an eps."""

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


class SmoothNorm(Rsqrt):
    @staticmethod
    def forward(ctx, x):
        norm = (x.square().sum(-1, keepdim=True) + 1e-6).sqrt()
        ctx.save_for_backward(x, norm)
        return x / norm


SMOOTH_REF = lambda x: x * (x.square().sum(-1, keepdim=True) + 1e-6).rsqrt()  # noqa: E731


def _rounded(dtype):
    return lambda v: v.to(dtype).to(v.dtype) if isinstance(v, torch.Tensor) else v


def _squeezing(ctx, dout):
    x, scale = ctx.saved_tensors
    return dout.squeeze() * scale.view(-1, *[1] * (dout.squeeze().dim() - 1)), (dout * x).sum(-1)


def _padded_mean(ctx, x):
    ctx.save_for_backward(x)
    return (x * x).sum(-1) / padded(x.shape[-1])


def _padded_mean_back(ctx, dout):
    (x,) = ctx.saved_tensors
    return 2 * x * dout[:, None] / padded(x.shape[-1])


WRONG = SimpleNamespace()
