"""Twenty wrong functions: each is a right one with one mistake that was made in public kernels."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.gates import right as r

_kept: dict[Any, Tensor] = {}


def zeros_forward(ctx: Any, x: Tensor) -> Tensor:
    return torch.zeros_like(r.softmax_forward(ctx, x))


def softmax_without_sum(ctx: Any, dout: Tensor) -> Tensor:
    (y,) = ctx.saved_tensors
    return y * (1 - y) * dout  # type: ignore[no-any-return]


def norm_constants(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    normed, rstd, weight = ctx.saved_tensors
    return dout * weight * rstd, (dout * normed).sum(0), dout.sum(0)


def norm_block(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Leaves out what follows the last whole block of 64 columns."""
    y = r.norm_forward(ctx, x, weight, bias)
    whole = x.shape[-1] // 64 * 64
    return torch.cat([y[..., :whole], torch.zeros_like(y[..., whole:])], -1) if whole else y


def rms_eps(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
    """Adds eps to the root."""
    rstd = 1 / (x.square().mean(-1, keepdim=True).sqrt() + 1e-6)
    ctx.save_for_backward(x * rstd, rstd, weight)
    return x * rstd * weight


def rms_no_weight(ctx: Any, dout: Tensor) -> tuple[Tensor, None]:
    return r.rms_backward(ctx, dout)[0], None


def rms_half(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
    """Sums in bfloat16."""
    mean = x.bfloat16().square().mean(-1, keepdim=True).to(x.dtype)
    rstd = (mean + 1e-6).rsqrt()
    ctx.save_for_backward(x * rstd, rstd, weight)
    return x * rstd * weight


def entropy_sum(ctx: Any, dout: Tensor) -> tuple[Tensor, None]:
    """Is the gradient of the sum."""
    _, targets = ctx.saved_tensors
    return r.entropy_backward(ctx, dout * len(targets))


def entropy_ones(ctx: Any, dout: Tensor) -> tuple[Tensor, None]:
    """Takes the upstream gradient for 1."""
    return r.entropy_backward(ctx, torch.ones_like(dout))


def ignoring_all(ctx: Any, dout: Tensor) -> tuple[Tensor, None]:
    """Divides by all rows, not by those that count."""
    _, targets = ctx.saved_tensors
    kept = targets >= 0
    dlogits, _ = r.ignoring_backward(ctx, dout)
    return dlogits * (kept.sum() / len(targets)), None


def embedding_assigns(ctx: Any, dout: Tensor) -> tuple[None, Tensor]:
    """Assigns where it must add: rows that occur twice."""
    (index,) = ctx.saved_tensors
    dtable = dout.new_zeros(ctx.rows)
    dtable[index] = dout
    return None, dtable


def linear_no_bias(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Takes the last row for the sum."""
    dx, dweight, _ = r.linear_backward(ctx, dout)
    return dx, dweight, dout[-1] if len(dout) else dout.sum(0)


def std_bessel(ctx: Any, dout: Tensor) -> Tensor:
    """Divides by n where n - 1 is right."""
    centred, std = ctx.saved_tensors
    return dout * centred / (std * centred.shape[-1])  # type: ignore[no-any-return]


def gated_storage(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
    """Reads its input in the order of the storage."""
    flat = torch.as_strided(up, up.shape, torch.empty(up.shape, device="meta").stride())
    ctx.save_for_backward(gate, flat)
    return F.silu(gate) * flat


def attention_scale(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Forgets 1/sqrt(d) in backward."""
    q = ctx.saved_tensors[0]
    dq, dk, dv = r.attention_backward(ctx, dout)
    return dq * q.shape[-1] ** 0.5, dk * q.shape[-1] ** 0.5, dv


def gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def relu_writes(ctx: Any, x: Tensor) -> Tensor:
    """Overwrites its input."""
    y = r.relu_forward(ctx, x)
    x.detach().copy_(y)
    return y


def relu_saved(ctx: Any, dout: Tensor) -> Tensor:
    """Overwrites what forward saved: a second backward is wrong."""
    (y,) = ctx.saved_tensors
    return y.detach().gt_(0).mul_(dout)  # type: ignore[no-any-return]


def softmax_cached(ctx: Any, x: Tensor) -> Tensor:
    """Keeps results by shape."""
    key = (x.shape, x.dtype)
    if key not in _kept:
        _kept[key] = r.softmax_forward(ctx, x)
    ctx.save_for_backward(_kept[key].clone())
    return _kept[key].clone()


def softmax_scalar(ctx: Any, dout: Tensor) -> Tensor:
    """Reads the first upstream gradient for all columns of a row."""
    return r.softmax_backward(ctx, dout[..., :1].expand_as(dout))
