"""torch functions that do several things at once, in elementary steps of the same value."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

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
    soft: Tensor = F.softplus(input)
    return input * soft.tanh()


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


def cross_entropy(
    input: Tensor, target: Tensor, *args: Any, label_smoothing: float = 0.0, **given: Any
) -> Tensor:
    """Return the loss of (N, V) logits. Raises NotImplementedError for weights with smoothing."""
    if not label_smoothing:
        result: Tensor = DECOMPOSED["cross_entropy"].run(_keep, input, target, *args, **given)
        return result
    if args or given.get("weight") is not None or given.get("ignore_index", -100) != -100:
        raise NotImplementedError
    if target.is_floating_point() or bool((target < 0).any()):
        raise NotImplementedError
    logprobs = input - input.logsumexp(-1, keepdim=True)
    even = -logprobs.mean(-1)
    picked = -logprobs.gather(-1, target[..., None])[..., 0]
    loss = (1 - label_smoothing) * picked + label_smoothing * even
    kind = given.get("reduction", "mean")
    return loss if kind == "none" else loss.mean() if kind == "mean" else loss.sum()


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the product of two vectors over the product of their lengths."""
    first = (x1 * x1).sum(dim).sqrt().clamp_min(eps)
    second = (x2 * x2).sum(dim).sqrt().clamp_min(eps)
    return (x1 * x2).sum(dim) / (first * second)


def log_sigmoid(input: Tensor) -> Tensor:
    """Return the logarithm of the sigmoid."""
    soft: Tensor = F.softplus(-input)
    return -soft


STEPS: dict[str, Callable[..., Any]] = {
    **{name: partial(steps.run, _keep) for name, steps in DECOMPOSED.items()},
    "scaled_dot_product_attention": attention,
    "gelu": gelu,
    "silu": silu,
    "mish": mish,
    "glu": glu,
    "linear": linear,
    "mse_loss": mse_loss,
    "cross_entropy": cross_entropy,
    "cosine_similarity": cosine_similarity,
    "logsigmoid": log_sigmoid,
    "std": std,
    "norm": norm,
}
"""By the name of the torch function."""


class Stepwise(TorchFunctionMode):
    """While active, these functions run in steps where they can."""

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        steps = STEPS.get(getattr(func, "__name__", ""))
        if steps is not None:
            with suppress(RuntimeError, TypeError, NotImplementedError):
                return steps(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))
