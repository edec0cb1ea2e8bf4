"""OPTIMIZERS: name -> how parameters follow their gradients; functions over dicts, no hidden state.

`update` changes the parameters and the optimizer's own tensors in-place: a new copy per step would
cost more than the arithmetic at the lecture's sizes. Where torch has the same optimizer, the order
of its operations is kept so that the numbers agree: SGD (Robbins & Monro 1951) bit for bit, Adam
(Kingma & Ba 2014, arXiv:1412.6980) and AdamW (Loshchilov & Hutter 2017, arXiv:1711.05101) to
rounding. Each operation is one `_foreach` call over all tensors, as in torch's own optimizers: this
takes two thirds of the time of one call per tensor, and far less on a GPU.

Weight decay of Adam and AdamW applies to matrices alone: a gain, a bias or a start has no reason to
be small. That of SGD applies to every parameter, as in torch.

Everything that depends on the step is in its `rates`. They are numbers, or tensors that a captured
graph reads again at each replay. An update uses the same formula for both.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

Tensors = dict[str, "Tensor"]
Rates = Sequence["float | Tensor"]
"""All numbers, or all zero-dimensional tensors on the parameters' device."""


class Hyperparameters(NamedTuple):
    """What an optimizer uses besides the learning rate; SGD uses `weight_decay` alone."""

    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8


@dataclass(frozen=True)
class Optimizer:
    """One row of OPTIMIZERS; `lr` and `weight_decay` are its defaults."""

    lr: float
    weight_decay: float
    moments: tuple[str, ...]
    """Names of the tensors that it keeps for every parameter."""
    rates: Callable[[float, int, Hyperparameters], tuple[float, ...]]
    """(lr, step counted from 0, hyperparameters) -> what `update` needs to know about the step."""
    update: "Callable[[Tensors, Tensors, Tensors, Rates, Hyperparameters], None]"
    """(params, grads, tensors, rates, hyperparameters): take one step, in-place."""

    def tensors(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the optimizer's tensors before the first step, as one flat dict, for saving."""
        return {
            f"{moment}.{name}": param * 0  # works for tensors and arrays
            for moment in self.moments
            for name, param in params.items()
        }


def bias_corrections(hyper: Hyperparameters, updates: Any) -> tuple[Any, Any]:
    """Return 1 - beta1**updates and 1 - beta2**updates: Adam's moments start from zero.

    `updates` is the number of updates so far, this one included; a number or a NumPy array.
    """
    return 1 - hyper.beta1**updates, 1 - hyper.beta2**updates


def is_matrix(shape: Sequence[int]) -> bool:
    """Return whether Adam and AdamW decay a parameter: two dimensions, both above 1."""
    return len(shape) == 2 and min(shape) > 1


def _sgd_rates(lr: float, step: int, hyper: Hyperparameters) -> tuple[float, ...]:
    return (-lr,)


def _sgd(
    params: Tensors, grads: Tensors, tensors: Tensors, rates: Rates, hyper: Hyperparameters
) -> None:
    """param -= lr * (grad + weight_decay * param)"""
    import torch

    [rate] = rates
    values, gradients = list(params.values()), [grads[name] for name in params]
    if hyper.weight_decay:
        gradients = list(torch._foreach_add(gradients, values, alpha=hyper.weight_decay))
    if isinstance(rate, torch.Tensor):  # alpha cannot be a tensor
        torch._foreach_add_(values, torch._foreach_mul(gradients, rate))
    else:
        torch._foreach_add_(values, gradients, alpha=rate)


def _adam_rates(lr: float, step: int, hyper: Hyperparameters) -> tuple[float, ...]:
    """Return the root of the second bias correction, the step size."""
    bias1, bias2 = bias_corrections(hyper, step + 1)
    return math.sqrt(bias2), -lr / bias1


def _adam(
    params: Tensors, grads: Tensors, tensors: Tensors, rates: Rates, hyper: Hyperparameters
) -> None:
    """Add the gradient of weight decay's term, then take Adam's step."""
    import torch

    matrices = [name for name, param in params.items() if is_matrix(param.shape)]
    if hyper.weight_decay and matrices:
        decayed = torch._foreach_add(
            [grads[name] for name in matrices],
            [params[name] for name in matrices],
            alpha=hyper.weight_decay,
        )
        grads = grads | dict(zip(matrices, decayed, strict=True))
    _adams_step(params, grads, tensors, rates, hyper)


def _adamw_rates(lr: float, step: int, hyper: Hyperparameters) -> tuple[float, ...]:
    """Return the factor of weight decay, then Adam's rates."""
    return 1 - lr * hyper.weight_decay, *_adam_rates(lr, step, hyper)


def _adamw(
    params: Tensors, grads: Tensors, tensors: Tensors, rates: Rates, hyper: Hyperparameters
) -> None:
    """Apply decoupled weight decay, then Adam's step."""
    import torch

    decay, *of_step = rates
    matrices = [param for param in params.values() if is_matrix(param.shape)]
    if matrices:
        torch._foreach_mul_(matrices, decay)
    _adams_step(params, grads, tensors, of_step, hyper)


def _adams_step(
    params: Tensors, grads: Tensors, tensors: Tensors, rates: Rates, hyper: Hyperparameters
) -> None:
    """Move the moments, then the parameters by the bias-corrected moments."""
    import torch

    root_bias2, rate = rates
    values, gradients = list(params.values()), [grads[name] for name in params]
    first = [tensors[f"first.{name}"] for name in params]
    second = [tensors[f"second.{name}"] for name in params]
    torch._foreach_lerp_(first, gradients, 1 - hyper.beta1)
    torch._foreach_mul_(second, hyper.beta2)
    torch._foreach_addcmul_(second, gradients, gradients, value=1 - hyper.beta2)
    denominators = torch._foreach_sqrt(second)
    torch._foreach_div_(denominators, root_bias2)
    torch._foreach_add_(denominators, hyper.eps)
    if isinstance(rate, torch.Tensor):  # value cannot be a tensor
        torch._foreach_addcdiv_(values, torch._foreach_mul(first, rate), denominators)
    else:
        torch._foreach_addcdiv_(values, first, denominators, value=rate)


MOMENTS = ("first", "second")
"""Of Adam: running means of the gradients, and of their squares."""
OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(lr=0.1, weight_decay=0.0, moments=(), rates=_sgd_rates, update=_sgd),
    "adam": Optimizer(lr=0.001, weight_decay=0.0, moments=MOMENTS, rates=_adam_rates, update=_adam),
    "adamw": Optimizer(
        lr=0.001,
        weight_decay=0.01,
        moments=MOMENTS,
        rates=_adamw_rates,
        update=_adamw,
    ),
}
