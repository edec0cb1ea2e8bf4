"""Softmax, its losses and the norms in elementary steps, with a hook for their statistics.

torch computes each of these in one operation, which reduces its input inside: a mean, a variance, a
sum. The functions here compute the same values step by step and pass every statistic through
`hold(name, statistic)`. A `hold` that detaches some statistics gives the result, and its gradient,
with these statistics treated as constants.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Hold = Callable[[str, Tensor], Tensor]
"""Takes the name of a statistic (torch's name of the reduction) and its value."""


def softmax(hold: Hold, input: Tensor, dim: int = -1, *_: Any, **__: Any) -> Tensor:
    """Normalise over `dim`. The maximum cancels, so it is a constant here."""
    exped = (input - input.detach().amax(dim, keepdim=True)).exp()
    return exped / hold("sum", exped.sum(dim, keepdim=True))


def log_softmax(hold: Hold, input: Tensor, dim: int = -1, *_: Any, **__: Any) -> Tensor:
    """Return the logarithm of the softmax over `dim`."""
    return input - hold("logsumexp", input.logsumexp(dim, keepdim=True))


def cross_entropy(
    hold: Hold,
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the loss in nats for (N, V) logits and N integer targets.

    Raises RuntimeError for targets that are probabilities, and for label smoothing.
    """
    if label_smoothing or target.is_floating_point():
        raise RuntimeError("more than one class per row")
    logprobs = log_softmax(hold, input, 1 if input.dim() > 1 else 0)
    loss: Tensor = F.nll_loss(logprobs, target, weight, size_average, ignore_index, reduce,
                              reduction)  # fmt: skip
    return loss


def layer_norm(
    hold: Hold,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise (B, ..., C) over its last dimensions."""
    dims = [-1 - i for i in range(len(normalized_shape))]
    return _affine(_normed(hold, input, dims, eps), weight, bias)


def batch_norm(
    hold: Hold,
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise (B, C, ...) over all dimensions but the second.

    Raises RuntimeError in evaluation, where the statistics are constants.
    """
    if not training:
        raise RuntimeError("batch_norm in evaluation reduces nothing")
    dims = [d for d in range(input.dim()) if d != 1]
    shape = [1, -1] + [1] * (input.dim() - 2)
    scale = None if weight is None else weight.view(shape)
    shift = None if bias is None else bias.view(shape)
    return _affine(_normed(hold, input, dims, eps), scale, shift)


def rms_norm(
    hold: Hold,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Divide (B, ..., C) by its root mean square over the last dimensions."""
    dims = [-1 - i for i in range(len(normalized_shape))]
    floor = torch.finfo(input.dtype).eps if eps is None else eps
    mean = hold("mean", input.square().mean(dims, keepdim=True))
    return _affine(input * (mean + floor).rsqrt(), weight, None)


def normalize(
    hold: Hold, input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, **_: Any
) -> Tensor:
    """Divide by the p-norm over `dim`."""
    norm = hold("vector_norm", torch.linalg.vector_norm(input, p, dim, keepdim=True))
    return input / norm.clamp_min(eps)


def _normed(hold: Hold, x: Tensor, dims: list[int], eps: float) -> Tensor:
    mean = hold("mean", x.mean(dims, keepdim=True))
    var = hold("var", x.var(dims, correction=0, keepdim=True))
    return (x - mean) * (var + eps).rsqrt()


def _affine(normed: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    scaled = normed if weight is None else normed * weight
    return scaled if bias is None else scaled + bias


@dataclass(frozen=True)
class Decomposition:
    """`run` takes `hold` and then the arguments of the torch function."""

    run: Callable[..., Tensor]
    statistics: tuple[str, ...]


DECOMPOSED = {
    "softmax": Decomposition(softmax, ("sum",)),
    "log_softmax": Decomposition(log_softmax, ("logsumexp",)),
    "cross_entropy": Decomposition(cross_entropy, ("logsumexp",)),
    "layer_norm": Decomposition(layer_norm, ("mean", "var")),
    "batch_norm": Decomposition(batch_norm, ("mean", "var")),
    "rms_norm": Decomposition(rms_norm, ("mean",)),
    "normalize": Decomposition(normalize, ("vector_norm",)),
}
"""By the name of the torch function."""
