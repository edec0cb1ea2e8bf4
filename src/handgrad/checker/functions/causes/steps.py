"""torch functions that do several things at once, in elementary steps of the same value."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.write.decompose import DECOMPOSED


def _keep(name: str, statistic: Tensor) -> Tensor:
    return statistic


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return softmax(q k^T scale) v. Raises NotImplementedError for dropout and shared heads."""
    if dropout_p or enable_gqa:
        raise NotImplementedError
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        kept = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~kept, -math.inf)
    if attn_mask is not None:
        is_bool = attn_mask.dtype == torch.bool
        scores = scores.masked_fill(~attn_mask, -math.inf) if is_bool else scores + attn_mask
    exped = (scores - scores.detach().amax(-1, keepdim=True)).exp()
    return exped / exped.sum(-1, keepdim=True) @ value


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Return x Phi(x), or its approximation by tanh."""
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (input + 0.044715 * input**3)
        return 0.5 * input * (1 + inner.tanh())
    return input * (0.5 * (1 + torch.erf(input * 0.5**0.5)))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return x sigmoid(x)."""
    return input * input.sigmoid()


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return x tanh(softplus(x))."""
    return input * torch.log1p(input.exp()).tanh()


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Return a sigmoid(b) of the two halves a, b."""
    a, b = input.chunk(2, dim)
    return a * b.sigmoid()


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x W^T + b."""
    product = input @ weight.mT
    return product if bias is None else product + bias


def mse_loss(input: Tensor, target: Tensor, *_: Any, reduction: str = "mean") -> Tensor:
    """Return the mean (or sum) of the squared differences."""
    if reduction not in ("mean", "sum"):
        raise NotImplementedError
    square = (input - target) ** 2
    return square.mean() if reduction == "mean" else square.sum()


def std(input: Tensor, dim: Any = None, **given: Any) -> Tensor:
    """Return the square root of the variance."""
    return input.var(dim, **given).sqrt()


def norm(input: Tensor, p: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> Tensor:
    """Return the square root of the sum of squares. Raises NotImplementedError for other norms."""
    if p not in (2, "fro", None) or dim is None:
        raise NotImplementedError
    return (input * input).sum(dim, keepdim=keepdim).sqrt()


STEPS: dict[str, Callable[..., Any]] = {
    **{name: partial(steps.run, _keep) for name, steps in DECOMPOSED.items()},
    "scaled_dot_product_attention": attention,
    "gelu": gelu,
    "silu": silu,
    "mish": mish,
    "glu": glu,
    "linear": linear,
    "mse_loss": mse_loss,
    "std": std,
    "norm": norm,
}
"""By the name of the torch function."""
