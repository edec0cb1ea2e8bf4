"""Six ordinary functions: forward, backward, and a backward with one mistake.

Each backward gets the upstream gradient, the output and the inputs.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def softmax(x: Tensor) -> Tensor:
    exps = (x - x.amax(-1, keepdim=True)).exp()
    return exps / exps.sum(-1, keepdim=True)


def softmax_backward(dout: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor]:
    return (y * (dout - (dout * y).sum(-1, keepdim=True)),)


def softmax_wrong(dout: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor]:
    return (y * (1 - y) * dout,)


def normed(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return x with mean 0 and variance 1 in each row, and the factor."""
    centred = x - x.mean(-1, keepdim=True)
    rstd = (centred.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
    return centred * rstd, rstd


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return normed(x)[0] * weight + bias


def layer_norm_backward(
    dout: Tensor, y: Tensor, x: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    z, rstd = normed(x)
    d = dout * weight
    dx = rstd * (d - d.mean(-1, keepdim=True) - z * (d * z).mean(-1, keepdim=True))
    return dx, (dout * z).sum((0, 1)), dout.sum((0, 1))


def layer_norm_wrong(
    dout: Tensor, y: Tensor, x: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    z, rstd = normed(x)
    d = dout * weight
    dx = rstd * (d - z * (d * z).mean(-1, keepdim=True))
    return dx, (dout * z).sum((0, 1)), dout.sum((0, 1))


def weights(q: Tensor, k: Tensor) -> Tensor:
    """Return the weights of causal attention."""
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    earlier = torch.ones_like(scores, dtype=torch.bool).tril()
    return torch.softmax(scores.masked_fill(~earlier, float("-inf")), -1)


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.matmul(weights(q, k), v)


def attention_backward(
    dout: Tensor, y: Tensor, q: Tensor, k: Tensor, v: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    p = weights(q, k)
    dp = dout @ v.transpose(-2, -1)
    ds = p * (dp - (dp * p).sum(-1, keepdim=True)) / q.shape[-1] ** 0.5
    return ds @ k, ds.transpose(-2, -1) @ q, p.transpose(-2, -1) @ dout


def attention_wrong(
    dout: Tensor, y: Tensor, q: Tensor, k: Tensor, v: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    p = weights(q, k)
    dp = dout @ v.transpose(-2, -1)
    ds = p * (dp - (dp * p).sum(-1, keepdim=True))
    return ds @ k, ds.transpose(-2, -1) @ q, p.transpose(-2, -1) @ dout


def rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def rotary_backward(
    dout: Tensor, y: Tensor, x: Tensor, cos: Tensor, sin: Tensor
) -> tuple[Tensor, None, None]:
    return rotary(dout, cos, -sin), None, None


def rotary_wrong(
    dout: Tensor, y: Tensor, x: Tensor, cos: Tensor, sin: Tensor
) -> tuple[Tensor, None, None]:
    return rotary(dout, cos, sin), None, None


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    kept = targets != -100
    rows = logits.log_softmax(-1).gather(1, (targets * kept)[:, None])[:, 0]
    return -rows.masked_fill(~kept, 0).sum() / kept.sum()


def cross_entropy_backward(
    dout: Tensor, y: Tensor, logits: Tensor, targets: Tensor
) -> tuple[Tensor, None]:
    kept = targets != -100
    onehot = F.one_hot(targets * kept, logits.shape[-1])
    return (logits.softmax(-1) - onehot) * kept[:, None] * dout / kept.sum(), None


def cross_entropy_wrong(
    dout: Tensor, y: Tensor, logits: Tensor, targets: Tensor
) -> tuple[Tensor, None]:
    kept = targets != -100
    onehot = F.one_hot(targets * kept, logits.shape[-1])
    return (logits.softmax(-1) - onehot) * dout / kept.sum(), None


def inplace_tanh(x: Tensor) -> Tensor:
    return x.tanh_()


def inplace_tanh_backward(dout: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor]:
    return (dout * (1 - y * y),)


def inplace_tanh_wrong(dout: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor]:
    return (dout * (1 - x.tanh() ** 2),)
