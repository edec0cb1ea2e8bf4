"""Twenty right functions, and their references."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Body = Callable[..., Any]


def function(forward: Body, backward: Body, name: str) -> Callable[..., Any]:
    """Return an autograd.Function of two bodies: `forward(ctx, ...)`, `backward(ctx, dout)`."""
    body = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    made: Any = type(name, (torch.autograd.Function,), body)
    return made.apply  # type: ignore[no-any-return]


def elementwise(value: Body, local: Body) -> tuple[Body, Body]:
    """Return forward and backward of a function of each element."""

    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return value(x)  # type: ignore[no-any-return]

    def backward(ctx: Any, dout: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return dout * local(x)  # type: ignore[no-any-return]

    return forward, backward


def softmax_forward(ctx: Any, x: Tensor) -> Tensor:
    y = x.softmax(-1)
    ctx.save_for_backward(y)
    return y


def softmax_backward(ctx: Any, dout: Tensor) -> Tensor:
    (y,) = ctx.saved_tensors
    return y * (dout - (dout * y).sum(-1, keepdim=True))  # type: ignore[no-any-return]


def norm_forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    rstd = (x.var(-1, correction=0, keepdim=True) + 1e-5).rsqrt()
    normed = (x - x.mean(-1, keepdim=True)) * rstd
    ctx.save_for_backward(normed, rstd, weight)
    return normed * weight + bias


def norm_backward(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    normed, rstd, weight = ctx.saved_tensors
    d = dout * weight
    dx = rstd * (d - d.mean(-1, keepdim=True) - normed * (d * normed).mean(-1, keepdim=True))
    return dx, (dout * normed).sum(0), dout.sum(0)


def rms_forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
    rstd = (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
    ctx.save_for_backward(x * rstd, rstd, weight)
    return x * rstd * weight


def rms_backward(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor]:
    normed, rstd, weight = ctx.saved_tensors
    d = dout * weight
    return rstd * (d - normed * (d * normed).mean(-1, keepdim=True)), (dout * normed).sum(0)


def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * weight


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], weight, bias)


def entropy_forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
    logprobs = logits.log_softmax(-1)
    ctx.save_for_backward(logprobs.exp(), targets)
    return -logprobs[torch.arange(len(targets)), targets].mean()


def entropy_backward(ctx: Any, dout: Tensor) -> tuple[Tensor, None]:
    probs, targets = ctx.saved_tensors
    dlogits = probs.clone()
    dlogits[torch.arange(len(targets)), targets] -= 1
    return dlogits * (dout / len(targets)), None


def ignoring_forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
    ctx.save_for_backward(logits.softmax(-1), targets)
    return ignoring(logits, targets)


def ignoring_backward(ctx: Any, dout: Tensor) -> tuple[Tensor, None]:
    probs, targets = ctx.saved_tensors
    kept = targets >= 0
    dlogits = probs - F.one_hot(targets.clamp(min=0), probs.shape[-1]).to(probs.dtype)
    return dlogits * kept[:, None] * (dout / kept.sum()), None


def ignoring(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits, targets, ignore_index=-100)


def linear_forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    ctx.save_for_backward(x, weight)
    return x @ weight.T + bias


def linear_backward(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, weight = ctx.saved_tensors
    return dout @ weight, dout.T @ x, dout.sum(0)


def embedding_forward(ctx: Any, index: Tensor, table: Tensor) -> Tensor:
    ctx.save_for_backward(index)
    ctx.rows = table.shape
    return table[index]


def embedding_backward(ctx: Any, dout: Tensor) -> tuple[None, Tensor]:
    (index,) = ctx.saved_tensors
    return None, dout.new_zeros(ctx.rows).index_add_(0, index, dout)


def lookup(index: Tensor, table: Tensor) -> Tensor:
    return table[index]


def std_forward(ctx: Any, x: Tensor) -> Tensor:
    std = x.std(-1, keepdim=True)
    ctx.save_for_backward(x - x.mean(-1, keepdim=True), std)
    return std


def std_backward(ctx: Any, dout: Tensor) -> Tensor:
    centred, std = ctx.saved_tensors
    return dout * centred / (std * (centred.shape[-1] - 1))  # type: ignore[no-any-return]


def std(x: Tensor) -> Tensor:
    return x.std(-1, keepdim=True)


def gated_forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
    ctx.save_for_backward(gate, up)
    return F.silu(gate) * up


def gated_backward(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor]:
    gate, up = ctx.saved_tensors
    s = gate.sigmoid()
    return dout * up * s * (1 + gate * (1 - s)), dout * gate * s


def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    return F.silu(gate) * up


def softcap(x: Tensor) -> Tensor:
    return 5 * (x / 5).tanh()


def attention_forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    p = (q @ k.T * q.shape[-1] ** -0.5).softmax(-1)
    ctx.save_for_backward(q, k, v, p)
    return torch.matmul(p, v)


def attention_backward(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v, p = ctx.saved_tensors
    dp = dout @ v.T
    ds = p * (dp - (dp * p).sum(-1, keepdim=True)) * q.shape[-1] ** -0.5
    return ds @ k, ds.T @ q, p.T @ dout


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.matmul((q @ k.T * q.shape[-1] ** -0.5).softmax(-1), v)


def gelu_local(x: Tensor) -> Tensor:
    density = (-x * x / 2).exp() * (2 * torch.pi) ** -0.5
    return torch.add((1 + (x * 2**-0.5).erf()) / 2, x * density)


def relu_forward(ctx: Any, x: Tensor) -> Tensor:
    y = x.clamp(min=0)
    ctx.save_for_backward(y)
    return y


def relu_backward(ctx: Any, dout: Tensor) -> Tensor:
    return torch.mul(dout, ctx.saved_tensors[0] > 0)
