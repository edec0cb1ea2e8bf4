"""Hand-written functions that are right: (function, reference, inputs) by name."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class Linear(Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return x @ weight.T + bias

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        return dout @ weight, dout.T @ x, dout.sum(0)


class LayerNorm(Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        mean = x.mean(-1, keepdim=True)
        rstd = ((x - mean).square().mean(-1, keepdim=True) + 1e-5).rsqrt()
        normed = (x - mean) * rstd
        ctx.save_for_backward(normed, rstd, weight)
        return normed * weight + bias

    @staticmethod
    def backward(ctx, dout):
        normed, rstd, weight = ctx.saved_tensors
        dn = dout * weight
        dx = rstd * (dn - dn.mean(-1, True) - normed * (dn * normed).mean(-1, True))
        rows = tuple(range(dout.dim() - 1))
        return dx, (dout * normed).sum(rows), dout.sum(rows)


class LayerNorm32(Function):
    """As kernels do it: everything inside in float32."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        wide, w = x.float(), weight.float()
        mean = wide.mean(-1, keepdim=True)
        rstd = ((wide - mean).square().mean(-1, keepdim=True) + 1e-5).rsqrt()
        normed = (wide - mean) * rstd
        ctx.save_for_backward(normed, rstd, weight)
        return (normed * w + bias.float()).to(x.dtype)

    @staticmethod
    def backward(ctx, dout):
        normed, rstd, weight = ctx.saved_tensors
        wide = dout.float()
        dn = wide * weight.float()
        dx = rstd * (dn - dn.mean(-1, True) - normed * (dn * normed).mean(-1, True))
        rows = tuple(range(dout.dim() - 1))
        kind = dout.dtype
        return dx.to(kind), (wide * normed).sum(rows).to(kind), wide.sum(rows).to(kind)


class RMSNorm(Function):
    @staticmethod
    def forward(ctx, x, weight):
        rstd = (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
        ctx.save_for_backward(x, weight, rstd)
        return x * rstd * weight

    @staticmethod
    def backward(ctx, dout):
        x, weight, rstd = ctx.saved_tensors
        dn, normed = dout * weight, x * rstd
        dx = rstd * (dn - normed * (dn * normed).mean(-1, True))
        return dx, (dout * normed).sum(tuple(range(dout.dim() - 1)))


class CrossEntropy(Function):
    """Mean over the rows, as a fused kernel has it: the gradient is made in forward."""

    @staticmethod
    def forward(ctx, logits, targets):
        logp = logits.log_softmax(-1)
        rows = torch.arange(len(targets), device=logits.device)
        dlogits = logp.exp()
        dlogits[rows, targets] -= 1
        ctx.save_for_backward(dlogits / len(targets))
        return -logp[rows, targets].mean()

    @staticmethod
    def backward(ctx, dloss):
        (dlogits,) = ctx.saved_tensors
        return dlogits * dloss, None


class CrossEntropyRows(Function):
    """One loss a row."""

    @staticmethod
    def forward(ctx, logits, targets):
        logp = logits.log_softmax(-1)
        rows = torch.arange(len(targets), device=logits.device)
        ctx.save_for_backward(logp, targets)
        return -logp[rows, targets]

    @staticmethod
    def backward(ctx, dloss):
        logp, targets = ctx.saved_tensors
        dlogits = logp.exp()
        dlogits[torch.arange(len(targets), device=logp.device), targets] -= 1
        return dlogits * dloss[:, None], None


class Gelu(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        cdf = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
        return dout * (cdf + x * torch.exp(-x * x / 2) / math.sqrt(2 * math.pi))


class Softmax(Function):
    @staticmethod
    def forward(ctx, x):
        p = x.softmax(-1)
        ctx.save_for_backward(p)
        return p

    @staticmethod
    def backward(ctx, dp):
        (p,) = ctx.saved_tensors
        return p * (dp - (dp * p).sum(-1, keepdim=True))


class Attention(Function):
    @staticmethod
    def forward(ctx, q, k, v):
        scale = 1 / max(q.shape[-1], 1) ** 0.5
        p = (q @ k.mT * scale).softmax(-1)
        ctx.save_for_backward(q, k, v, p)
        ctx.scale = scale
        return p @ v

    @staticmethod
    def backward(ctx, dout):
        q, k, v, p = ctx.saved_tensors
        dv, dp = p.mT @ dout, dout @ v.mT
        ds = p * (dp - (dp * p).sum(-1, keepdim=True)) * ctx.scale
        return ds @ k, ds.mT @ q, dv


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


class Cumsum(Function):
    @staticmethod
    def forward(ctx, x):
        return x.cumsum(-1)

    @staticmethod
    def backward(ctx, dout):
        return dout.flip(-1).cumsum(-1).flip(-1)


class SwiGLU(Function):
    @staticmethod
    def forward(ctx, x):
        gate, up = x.chunk(2, -1)
        ctx.save_for_backward(x)
        return F.silu(gate) * up

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        gate, up = x.chunk(2, -1)
        s = gate.sigmoid()
        return torch.cat([dout * up * s * (1 + gate * (1 - s)), dout * gate * s], -1)


class ScaledRows(Function):
    """A scale for each token, as dequantising has it."""

    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x, scale)
        return x * scale[:, None]

    @staticmethod
    def backward(ctx, dout):
        x, scale = ctx.saved_tensors
        return dout * scale[:, None], (dout * x).sum(-1)


class Tanh(Function):
    """In the style of setup_context."""

    @staticmethod
    def forward(x):
        return x.tanh()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        return dout * (1 - y * y)


class SortedValues(Function):
    """Two outputs, one of which has no gradient."""

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


class SinCos(Function):
    """Two outputs, of which either may be without a gradient."""

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x)
        return x.sin(), x.cos()

    @staticmethod
    def backward(ctx, dsin, dcos):
        (x,) = ctx.saved_tensors
        dx = torch.zeros_like(x)
        dx = dx if dsin is None else dx + dsin * x.cos()
        return dx if dcos is None else dx - dcos * x.sin()


class Flat(Function):
    """Returns a view of its input."""

    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.reshape(-1)

    @staticmethod
    def backward(ctx, dout):
        return dout.reshape(ctx.shape)


class NumpyExp(Function):
    """NumPy inside; no second derivative."""

    @staticmethod
    def forward(ctx, x):
        if x.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"NumpyExp takes float32 and float64, not {x.dtype}")
        y = torch.from_numpy(np.exp(x.detach().numpy()))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        return torch.from_numpy(dout.numpy() * y.numpy())


class Picky(Function):
    """A kernel that says what it does not take."""

    @staticmethod
    def forward(ctx, x, weight):
        if not (x.is_contiguous() and weight.is_contiguous()):
            raise RuntimeError("inputs must be contiguous")
        assert x.dtype == torch.float32
        if x.shape[-1] % 16:
            raise ValueError(f"the last dimension must be a multiple of 16, got {x.shape[-1]}")
        ctx.save_for_backward(x, weight)
        return x * weight

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        return dout * weight, (dout * x).sum(0)


class Needed(Function):
    """Computes what is asked for, alone."""

    @staticmethod
    def forward(ctx, x, weight):
        needs_x, needs_w = ctx.needs_input_grad
        ctx.save_for_backward(x if needs_w else None, weight if needs_x else None)
        return x * weight

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        dx = dout * weight if ctx.needs_input_grad[0] else None
        return dx, (dout * x).sum(0) if ctx.needs_input_grad[1] else None


class Maximum(Function):
    """The largest of each row; at a tie its first."""

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


class Relu(Function):
    """At 0 it passes on, where torch does not: both are right."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * (x >= 0)


def layer_norm(x, weight, bias):
    return F.layer_norm(x, x.shape[-1:], weight, bias)


def layer_norm_steps(x, weight, bias):
    mean = x.mean(-1, keepdim=True)
    var = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias


def rms_norm(x, weight):
    return F.rms_norm(x, x.shape[-1:], weight, 1e-6)


def rms_norm_wide(x, weight):
    wide = x.float()
    normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
    return (normed * weight).to(x.dtype)


def attention(q, k, v):
    return (q @ k.transpose(-2, -1) / max(q.shape[-1], 1) ** 0.5).softmax(-1) @ v


def swiglu(x):
    gate, up = x.chunk(2, dim=-1)
    return F.silu(gate) * up


NORM = {"x": "B C", "weight": "C", "bias": "C"}
RIGHT = {
    "linear": (Linear.apply, F.linear, {"x": "N I", "weight": "O I", "bias": "O"}),
    "layernorm": (LayerNorm.apply, layer_norm, NORM),
    "layernorm, steps": (LayerNorm.apply, layer_norm_steps, NORM),
    "layernorm in float32": (LayerNorm32.apply, layer_norm, NORM),
    "layernorm of three dimensions": (
        LayerNorm32.apply, layer_norm_steps, {"x": "B T C", "weight": "C", "bias": "C"}),
    "rmsnorm": (RMSNorm.apply, rms_norm, {"x": "B C", "weight": "C"}),
    "rmsnorm, a reference in float32": (RMSNorm.apply, rms_norm_wide, {"x": "B C", "weight": "C"}),
    "cross entropy": (CrossEntropy.apply, F.cross_entropy, {"logits": "N V", "targets": "N < V"}),
    "cross entropy a row": (
        CrossEntropyRows.apply, lambda x, t: F.cross_entropy(x, t, reduction="none"),
        {"logits": "N V", "targets": "N < V"}),
    "gelu": (Gelu.apply, F.gelu, {"x": "N"}),
    "softmax": (Softmax.apply, lambda x: F.softmax(x, -1), {"x": "B C"}),
    "attention": (Attention.apply, attention, {"q": "B T D", "k": "B T D", "v": "B T D"}),
    "embedding": (Embedding.apply, lambda i, t: F.embedding(i, t), {"i": "B T < V", "t": "V C"}),
    "cumsum": (Cumsum.apply, lambda x: torch.cumsum(x, -1), {"x": "B C"}),
    "swiglu": (SwiGLU.apply, swiglu, {"x": "B 2*H"}),
    "scaled rows": (ScaledRows.apply, lambda x, s: x * s[:, None], {"x": "B C", "scale": "B > 0"}),
    "tanh": (Tanh.apply, torch.tanh, {"x": "B C"}),
    "sort": (SortedValues.apply, lambda x: torch.sort(x, dim=-1), {"x": "B C"}),
    "sin and cos": (SinCos.apply, lambda x: (x.sin(), x.cos()), {"x": "B C"}),
    "flat": (Flat.apply, torch.flatten, {"x": "B C"}),
    "numpy": (NumpyExp.apply, torch.exp, {"x": "B C"}),
    "picky": (Picky.apply, lambda x, w: x * w, {"x": "B C", "weight": "C"}),
    "needed": (Needed.apply, lambda x, w: x * w, {"x": "B C", "weight": "C"}),
    "maximum": (Maximum.apply, lambda x: x.amax(-1), {"x": "B C"}),
    "relu": (Relu.apply, F.relu, {"x": "B C"}),
}  # fmt: skip
