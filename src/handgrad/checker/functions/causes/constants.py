"""The reference with some of its statistics constant: results of reductions, detached.

Functions with internal statistics (layer_norm, softmax) run here step by step, so that their
reductions can be detached too.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

REDUCTIONS = {
    "amax", "amin", "logsumexp", "max", "mean", "min", "norm", "prod", "std", "std_mean", "sum",
    "var", "var_mean", "vector_norm",
}  # fmt: skip


def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise (B, ..., C) over its last dimensions."""
    dims = [-1 - i for i in range(len(normalized_shape))]
    normed = (x - x.mean(dims, keepdim=True)) * (
        x.var(dims, correction=0, keepdim=True) + eps
    ).rsqrt()
    normed = normed if weight is None else normed * weight
    return normed if bias is None else normed + bias


def rms_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Divide (B, ..., C) by the root of its mean square."""
    dims = [-1 - i for i in range(len(normalized_shape))]
    floor = torch.finfo(x.dtype).eps if eps is None else eps
    normed = x * (x.square().mean(dims, keepdim=True) + floor).rsqrt()
    return normed if weight is None else normed * weight


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise (B, C, ...) over all dimensions but the second, in training mode."""
    if not training:
        raise RuntimeError("evaluation mode has no reduction")
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    normed = (x - x.mean(dims, keepdim=True)) * (
        x.var(dims, correction=0, keepdim=True) + eps
    ).rsqrt()
    normed = normed if weight is None else normed * weight.view(shape)
    return normed if bias is None else normed + bias.view(shape)


def softmax(x: Tensor, dim: int = -1, **_: Any) -> Tensor:
    """Return the softmax over `dim`; the maximum cancels."""
    exped = (x - x.detach().amax(dim, keepdim=True)).exp()
    return exped / exped.sum(dim, keepdim=True)


def log_softmax(x: Tensor, dim: int = -1, **_: Any) -> Tensor:
    """Return the log softmax over `dim`; the maximum cancels."""
    shifted = x - x.detach().amax(dim, keepdim=True)
    return shifted - shifted.exp().sum(dim, keepdim=True).log()


def cross_entropy(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    **_: Any,
) -> Tensor:
    """Return the loss in nats of logits (N, V) and targets (N,)."""
    loss: Tensor = F.nll_loss(log_softmax(x, 1), target, weight, ignore_index=ignore_index,
                      reduction=reduction)  # fmt: skip
    return loss


def normalize(x: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, **_: Any) -> Tensor:
    """Divide by the norm over `dim`."""
    norm: Tensor = torch.linalg.vector_norm(x, p, dim, keepdim=True)
    return x / norm.clamp_min(eps)


INSIDE: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (batch_norm, cross_entropy, layer_norm, log_softmax, normalize, rms_norm, softmax)
}


class DetachedReductions(TorchFunctionMode):
    """While active, detaches the results of reductions: those in `chosen` by number, or all.

    `names` are the reductions in their order, those inside a function as `var in layer_norm`.
    """

    def __init__(self, chosen: set[int] | None) -> None:
        super().__init__()
        self.chosen = chosen
        self.names: list[str] = []
        self._inside: list[str] = []

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name in INSIDE:
            self._inside.append(name)
            try:
                with self:
                    return INSIDE[name](*args, **kwargs)
            finally:
                self._inside.pop()
        result = func(*args, **kwargs)
        if name not in REDUCTIONS:
            return result
        return self._reduced(name, result)

    def _reduced(self, name: str, result: Any) -> Any:
        number = len(self.names)
        self.names.append(f"{name} in {self._inside[-1]}" if self._inside else name)
        if self.chosen is not None and number not in self.chosen:
            return result
        if isinstance(result, Tensor):
            return result.detach()
        if isinstance(result, tuple):
            return tuple(t.detach() if isinstance(t, Tensor) else t for t in result)
        return result
