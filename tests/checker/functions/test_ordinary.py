"""Six ordinary functions, each tested as docs/pytest.md says."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handgrad.pytest_plugin import Handgrad


class Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        exps = (x - x.amax(-1, keepdim=True)).exp()
        y = exps / exps.sum(-1, keepdim=True)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, dout: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return y * (dout - (dout * y).sum(-1, keepdim=True))


def test_softmax(handgrad: Handgrad) -> None:
    handgrad.check_function(Softmax.apply, lambda x: torch.softmax(x, -1), {"x": "B C"})


class LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        mean = x.mean(-1, keepdim=True)
        rstd = ((x - mean).square().mean(-1, keepdim=True) + 1e-5).rsqrt()
        normed = (x - mean) * rstd
        ctx.save_for_backward(normed, rstd, weight)
        return normed * weight + bias

    @staticmethod
    def backward(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        normed, rstd, weight = ctx.saved_tensors
        d = dout * weight
        dx = rstd * (d - d.mean(-1, keepdim=True) - normed * (d * normed).mean(-1, keepdim=True))
        return dx, (dout * normed).sum((0, 1)), dout.sum((0, 1))


def test_layer_norm(handgrad: Handgrad) -> None:
    def reference(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], weight, bias)

    shapes = {"x": "B T C", "weight": "C", "bias": "C"}
    handgrad.check_function(LayerNorm.apply, reference, shapes)


class Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        causal = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        p = scores.masked_fill(~causal, float("-inf")).softmax(-1)
        ctx.save_for_backward(q, k, v, p)
        return p @ v

    @staticmethod
    def backward(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v, p = ctx.saved_tensors
        dp = dout @ v.transpose(-2, -1)
        ds = p * (dp - (dp * p).sum(-1, keepdim=True)) / q.shape[-1] ** 0.5
        return ds @ k, ds.transpose(-2, -1) @ q, p.transpose(-2, -1) @ dout


def test_attention(handgrad: Handgrad) -> None:
    def reference(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    shapes = {"q": "B H T D", "k": "B H T D", "v": "B H T D"}
    handgrad.check_function(Attention.apply, reference, shapes)


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Rotary(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return rotated(x, cos, sin)

    @staticmethod
    def backward(ctx: Any, dout: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return rotated(dout, cos, -sin), None, None


def test_rotary(handgrad: Handgrad) -> None:
    shapes = {"x": "B T 2*D", "cos": "T D", "sin": "T D"}
    handgrad.check_function(Rotary.apply, rotated, shapes, wrt=("x",))


class CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        kept = targets != -100
        logprobs = logits.log_softmax(-1)
        ctx.save_for_backward(logprobs, targets, kept)
        return -logprobs[kept, targets[kept]].sum() / kept.sum()

    @staticmethod
    def backward(ctx: Any, dout: Tensor) -> tuple[Tensor, None]:
        logprobs, targets, kept = ctx.saved_tensors
        dlogits = logprobs.exp() * kept[:, None]
        dlogits[kept, targets[kept]] -= 1
        return dlogits * dout / kept.sum(), None


def test_cross_entropy(handgrad: Handgrad) -> None:
    inputs = {"logits": "N V", "targets": "N < V or -100"}
    handgrad.check_function(CrossEntropy.apply, F.cross_entropy, inputs)


class InplaceTanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.tanh_()
        ctx.mark_dirty(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, dout: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return dout * (1 - y * y)


def test_inplace_tanh(handgrad: Handgrad) -> None:
    handgrad.check_function(InplaceTanh.apply, torch.tanh, {"x": "B C"})
